//! Checks the documents in the index: whether there are more than a proxy accepts, whether some are
//! malformed, and whether the user's role hides documents or fields.

use opensearch_directives::admin::{DirectivesApi, Stored};
use opensearch_directives::{Clock as _, Config, SystemClock};

use super::report::Checks;
use crate::field_filters::State;

const NAME: &str = "documents";
const HIDDEN: &str = "hidden";
/// `doctor` reports a warning if the index contains more than this percentage of the maximum number
/// of documents.
const WARN_ABOVE_PERCENT: usize = 80;

pub(super) async fn check(checks: &mut Checks, api: &DirectivesApi) {
    check_hidden(checks, api).await;
    let all = match api.list().await {
        Ok(all) => all,
        Err(error) => {
            let fix = "map the user to the role directives_reader";
            return checks.not_checked(NAME, &error, fix);
        }
    };
    let limit = Config::DEFAULT_MAX_DOCUMENTS;
    let text = format!("{} of at most {limit}", all.len());
    if all.len() * 100 > limit * WARN_ABOVE_PERCENT {
        checks.warning(NAME, text, "directives prune --ended-before 90d");
    } else {
        checks.ok(NAME, text);
    }
    let now = SystemClock.now();
    let rejected: Vec<&Stored> = all
        .iter()
        .filter(|stored| State::of(stored, now) == State::Rejected)
        .collect();
    match rejected.first() {
        None => checks.ok(NAME, "none is malformed"),
        Some(first) => checks.warning(
            NAME,
            format!("{} malformed, such as {}", rejected.len(), first.id),
            "directives list --state rejected",
        ),
    }
}

async fn check_hidden(checks: &mut Checks, api: &DirectivesApi) {
    let restriction = "remove dls, fls and masked_fields from all roles of the user";
    match api.visibility().await {
        Ok(visible) if visible.hides_documents() => checks.failure(
            HIDDEN,
            format!(
                "a search finds {} of {} documents, so document-level security hides the others",
                visible.found, visible.stored
            ),
            restriction,
        ),
        Ok(_) => checks.ok(HIDDEN, "the role hides no document"),
        Err(error) => {
            checks.not_checked(HIDDEN, &error, "map the user to the role directives_reader");
        }
    }
    match api.hidden_fields().await {
        Ok(fields) if fields.is_empty() => checks.ok(HIDDEN, "the role hides no field"),
        Ok(fields) => checks.failure(
            HIDDEN,
            format!("field-level security hides {}", fields.join(", ")),
            restriction,
        ),
        Err(error) => {
            checks.not_checked(HIDDEN, &error, "map the user to the role directives_reader");
        }
    }
}
