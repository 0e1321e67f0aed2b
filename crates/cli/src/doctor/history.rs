//! Checks the history of the index and the history of the fleet: whether they are completely
//! installed, append-only and intact, and how long they keep records.

use opensearch_directives::admin::{
    Change, HistoryState, InstallError, InstallStep, Installer, RetentionPolicy,
};
use opensearch_directives::history::{BackingIndex, History};

use super::INSTALLER;
use super::report::Checks;
use crate::error_text;

/// A part of the installation that `directives init` creates only if its flag is given, such as the
/// history.
struct Part {
    name: &'static str,
    /// What `doctor` reports as missing if this part is not installed, such as "the index has no
    /// history".
    purpose: &'static str,
    init: &'static str,
}

const HISTORY: Part = Part {
    name: "history",
    purpose: "the index has no history",
    init: "directives init --history",
};
const FLEET: Part = Part {
    name: "fleet",
    purpose: "instances report to no index",
    init: "directives init --fleet",
};
const RETENTION: &str = "retention";

/// Checks whether the history of the index is installed and intact.
pub(super) async fn check(checks: &mut Checks, installer: &Installer, history: &History) {
    let steps = installer.plan_history(None).await;
    if check_steps(checks, &HISTORY, steps) {
        check_stream(checks, &HISTORY, installer.history_state().await);
        check_records(checks, history).await;
    }
}

/// Checks the index of the fleet and the history of the fleet, and returns true if one of them
/// exists.
pub(super) async fn check_fleet(checks: &mut Checks, installer: &Installer) -> bool {
    let exists = check_steps(checks, &FLEET, installer.plan_fleet(None).await);
    if exists {
        check_stream(checks, &FLEET, installer.fleet_history_state().await);
    }
    exists
}

/// Compares the resources of one part of the installation with those that this version would
/// install. Returns true if at least one resource of the part exists.
fn check_steps(
    checks: &mut Checks,
    part: &Part,
    steps: Result<Vec<InstallStep>, InstallError>,
) -> bool {
    let steps = match steps {
        Ok(steps) => steps,
        Err(error) => {
            checks.installation_not_checked(part.name, &error);
            return false;
        }
    };
    if steps.iter().all(|step| step.change == Change::Create) {
        let text = format!("{} (`{}` creates it)", part.purpose, part.init);
        checks.ok(part.name, text);
        return false;
    }
    for step in steps {
        checks.installed(part.name, &step, part.init);
    }
    true
}

fn check_stream(
    checks: &mut Checks,
    part: &Part,
    state: Result<Option<HistoryState>, InstallError>,
) {
    let state = match state {
        Ok(Some(state)) => state,
        // If the data stream is missing, an earlier check has already reported it as a missing part
        // of the installation.
        Ok(None) => return,
        Err(error) => return checks.installation_not_checked(part.name, &error),
    };
    let stream = &state.stream;
    if state.problems.is_empty() {
        checks.ok(part.name, format!("{stream} is append-only"));
    } else {
        checks.failure(
            part.name,
            state.problems.join("; "),
            format!(
                "keep its records in a snapshot, delete it, and run `{}`",
                part.init
            ),
        );
    }
    match &state.retention {
        RetentionPolicy::Policy(age) => {
            checks.ok(RETENTION, format!("{stream} deletes records after {age}"));
        }
        RetentionPolicy::None => checks.ok(
            RETENTION,
            format!(
                "{stream} keeps all records (`{} --retention 400d`)",
                part.init
            ),
        ),
        RetentionPolicy::Unsupported => checks.warning(
            RETENTION,
            format!("the cluster has no Index State Management, so {stream} keeps all records"),
            format!(
                "call POST /{stream}/_rollover each month, and delete backing indices that are old \
                 enough"
            ),
        ),
        _ => checks.warning(
            RETENTION,
            format!("{stream} not checked: the role may not read policies"),
            INSTALLER,
        ),
    }
}

/// Checks that the history is intact, by comparing the number of its records with the number of
/// operations on its data stream.
async fn check_records(checks: &mut Checks, history: &History) {
    let state = match history.stream_state().await {
        Ok(state) => state,
        // If the data stream is missing, an earlier check has already reported it as a missing part
        // of the installation.
        Err(error) if error.is_missing() => return,
        Err(error) => {
            let text = format!("records not checked: {}", error_text::text(&error));
            return checks.warning(
                HISTORY.name,
                text,
                "map the user to the role directives_auditor",
            );
        }
    };
    let is_changed = |index: &&BackingIndex| index.records != index.operations;
    match state.backing.iter().find(is_changed) {
        None => checks.ok(
            HISTORY.name,
            "no record was edited or deleted (`directives history verify` accounts for each operation)",
        ),
        Some(index) => checks.failure(
            HISTORY.name,
            format!(
                "{} has {} records after {} operations, so a record was edited or deleted",
                index.name, index.records, index.operations
            ),
            "run `directives history verify`, and restore the stream from a snapshot",
        ),
    }
}
