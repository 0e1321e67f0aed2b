//! Checks the history of the index: whether it exists, is append-only, and has a retention period.

use opensearch_directives::admin::{Installer, RetentionPolicy};
use opensearch_directives::error::chain;

use super::INSTALLER;
use super::report::Checks;

const NAME: &str = "history";
const RETENTION: &str = "retention";

pub(super) async fn check(checks: &mut Checks, installer: &Installer) {
    let state = match installer.history_state().await {
        Ok(Some(state)) => state,
        Ok(None) => {
            let text = "the index has no history (`directives init --history` creates one)";
            return checks.ok(NAME, text);
        }
        Err(error) if error.is_refused() => {
            return checks.warning(NAME, format!("not checked: {}", chain(&error)), INSTALLER);
        }
        Err(error) => return checks.failure(NAME, chain(&error), "see the message"),
    };
    if state.problems.is_empty() {
        checks.ok(NAME, format!("{} is append-only", state.stream));
    } else {
        checks.failure(
            NAME,
            state.problems.join("; "),
            "keep its records in a snapshot, delete it, and run `directives init --history`",
        );
    }
    match state.retention {
        RetentionPolicy::Policy(age) => {
            checks.ok(RETENTION, format!("records are deleted after {age}"));
        }
        RetentionPolicy::None => {
            checks.ok(RETENTION, "all records are kept (`init --history --retention 400d`)");
        }
        RetentionPolicy::Unsupported => checks.warning(
            RETENTION,
            "the cluster has no Index State Management, so all records are kept",
            format!(
                "call POST /{}/_rollover each month, and delete backing indices that are old enough",
                state.stream
            ),
        ),
        _ => checks.warning(RETENTION, "not checked: the role may not read policies", INSTALLER),
    }
}
