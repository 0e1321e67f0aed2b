//! Checks that the history of the fleet names each live instance, so that `history --at` can say on
//! which instances a directive applied.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use opensearch_directives::admin::{DirectivesApi, WriteError};
use opensearch_directives::fleet::InstanceReport;

use super::report::Checks;

const NAME: &str = "fleet";
const AUDITOR: &str = "map the user to the role directives_auditor";
/// The maximum number of instances that one line of the report names.
const NAMED: usize = 5;
/// The time after the start of an instance in which its first record may not be visible yet.
const STARTING: SignedDuration = SignedDuration::from_mins(2);

pub(super) async fn check(checks: &mut Checks, api: &DirectivesApi) {
    match unrecorded(api).await {
        Err(error) => checks.not_checked(NAME, &error, AUDITOR),
        Ok(None) => {}
        Ok(Some((live, missing))) if missing.is_empty() => {
            checks.ok(
                NAME,
                format!("{live} live instances report, and the history names them"),
            );
        }
        Ok(Some((live, missing))) => {
            let named = missing[..missing.len().min(NAMED)].join(", ");
            let text = format!(
                "the history does not name {} of {live} live instances, such as {named}",
                missing.len()
            );
            let fix =
                "map the user of the agents that write reports to the role directives_reporter";
            checks.warning(NAME, text, fix);
        }
    }
}

/// Returns the number of live instances, and the names of the live instances without a record in
/// the history of the fleet. Returns `None` if the history of the fleet is not installed.
async fn unrecorded(api: &DirectivesApi) -> Result<Option<(usize, Vec<String>)>, WriteError> {
    let fleet = api.fleet().await?;
    let Some(past) = api.fleet_at(fleet.now).await? else {
        return Ok(None);
    };
    let recorded: BTreeSet<&str> = past
        .instances
        .iter()
        .map(|one| &*one.before.instance)
        .collect();
    let is_live = |report: &&InstanceReport| {
        let age = fleet.now.duration_since(report.started);
        fleet.state(report).is_live() && age > STARTING
    };
    let live: Vec<&InstanceReport> = fleet.reports.iter().filter(is_live).collect();
    let missing = live.iter().map(|report| &*report.instance);
    let missing = missing.filter(|instance| !recorded.contains(instance));
    let missing: Vec<String> = missing.map(str::to_owned).collect();
    Ok(Some((live.len(), missing)))
}
