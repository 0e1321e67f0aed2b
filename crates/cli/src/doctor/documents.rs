//! Checks the documents in the index: whether there are more than a proxy accepts, whether some are
//! malformed, and whether the user's role hides documents or fields.

use opensearch_directives::admin::{DirectivesApi, Stored};
use opensearch_directives::internal::STORED_FACTOR;
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
    let now = SystemClock.now();
    let has_ended =
        |stored: &&Stored| matches!(State::of(stored, now), State::Expired | State::Revoked);
    check_number(checks, all.len(), all.iter().filter(has_ended).count());
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

/// Compares the number of documents that have not ended, and the number of all documents, with the
/// default limits of a proxy.
fn check_number(checks: &mut Checks, stored: usize, ended: usize) {
    let limit = Config::DEFAULT_MAX_DOCUMENTS;
    let is_near = |number: usize, limit: usize| number * 100 > limit * WARN_ABOVE_PERCENT;
    let unfinished = stored - ended;
    let text = format!("{unfinished} of at most {limit}");
    if is_near(unfinished, limit) {
        let fix = "revoke directives that nobody needs, or set --max-documents at each agent";
        checks.warning(NAME, text, fix);
    } else {
        checks.ok(NAME, text);
    }
    let limit = limit * STORED_FACTOR;
    if is_near(stored, limit) {
        let text = format!("{stored} of at most {limit}, including those that have ended");
        checks.warning(NAME, text, "directives prune --ended-before 90d");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_have_ended_count_only_against_the_limit_of_all_documents() {
        let warns = |stored, ended| {
            let mut checks = Checks::default();
            check_number(&mut checks, stored, ended);
            checks
                .warnings()
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(warns(250_000, 249_000), [""; 0]);
        let fix = "revoke directives that nobody needs, or set --max-documents at each agent";
        assert_eq!(warns(170_000, 0), [fix]);
        let prune = "directives prune --ended-before 90d";
        assert_eq!(warns(850_000, 849_000), [prune]);
    }
}
