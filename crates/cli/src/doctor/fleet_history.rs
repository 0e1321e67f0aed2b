//! Checks that the history of the fleet contains each live instance, because `history --at` uses
//! this history to find the instances that applied a directive.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use opensearch_directives::admin::{DirectivesApi, WriteError};
use opensearch_directives::fleet::InstanceReport;

use super::report::Checks;
use crate::report_wording::{count, verb};

const NAME: &str = "fleet";
const AUDITOR: &str = "map the user to the role directives_auditor";
/// The maximum number of instances that one line of the `doctor` report names.
const NAMED: usize = 5;
/// `doctor` does not warn about an instance without a record if the instance started less than this
/// time ago.
const STARTING: SignedDuration = SignedDuration::from_mins(2);

pub(super) async fn check(checks: &mut Checks, api: &DirectivesApi) {
    match unrecorded(api).await {
        Err(error) => checks.not_checked(NAME, &error, AUDITOR),
        Ok(None) => {}
        Ok(Some(live)) if live.missing.is_empty() => checks.ok(NAME, live.text()),
        Ok(Some(Live {
            number, missing, ..
        })) => {
            let named = missing[..missing.len().min(NAMED)].join(", ");
            let text = format!(
                "the history does not name {} of {number} live instances, such as {named}",
                missing.len()
            );
            let fix =
                "map the user of the agents that write reports to the role directives_reporter";
            checks.warning(NAME, text, fix);
        }
    }
}

/// The live instances, which `doctor` counts in the same way as `directives status`.
struct Live {
    number: usize,
    /// The number of live instances that have no record because they have just started.
    starting: usize,
    /// The names of the live instances that have no record although they started some time ago.
    missing: Vec<String>,
}

impl Live {
    fn text(&self) -> String {
        let report = verb(self.number, "reports", "report");
        let live = count(self.number, "live instance");
        match (self.number, self.starting) {
            (0, _) => "no live instance reports".to_owned(),
            (_, 0) => format!("{live} {report}, and the history names all of them"),
            (_, starting) => format!(
                "{live} {report}; the history does not name {starting} of them yet, which started \
                 less than two minutes ago"
            ),
        }
    }
}

/// Finds the live instances that have no record in the history of the fleet; returns `None` if the
/// fleet has no history.
async fn unrecorded(api: &DirectivesApi) -> Result<Option<Live>, WriteError> {
    let fleet = api.fleet().await?;
    let Some(past) = api.fleet_at(fleet.now).await? else {
        return Ok(None);
    };
    let recorded: BTreeSet<&str> = past
        .instances
        .iter()
        .map(|one| &*one.before.instance)
        .collect();
    let live = fleet.reports.iter();
    let live = live.filter(|report| fleet.state(report).is_live());
    let is_recorded = |report: &&InstanceReport| recorded.contains(&*report.instance);
    let (named, unnamed): (Vec<_>, Vec<_>) = live.partition(is_recorded);
    let is_starting =
        |report: &&InstanceReport| fleet.now.duration_since(report.started) <= STARTING;
    let number = named.len() + unnamed.len();
    let (starting, missing): (Vec<_>, Vec<_>) = unnamed.into_iter().partition(is_starting);
    let missing = missing.into_iter().map(|report| report.instance.clone());
    Ok(Some(Live {
        number,
        starting: starting.len(),
        missing: missing.collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_live_instances_includes_those_that_have_just_started() {
        let text = |number, starting| {
            let missing = Vec::new();
            let live = Live {
                number,
                starting,
                missing,
            };
            live.text()
        };
        assert_eq!(text(0, 0), "no live instance reports");
        let all = "3 live instances report, and the history names all of them";
        assert_eq!(text(3, 0), all);
        assert!(text(1, 1).starts_with("1 live instance reports; the history does not name 1 of"));
    }
}
