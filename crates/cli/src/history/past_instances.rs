//! Reads the history of the fleet to find the instances that applied a directive at an instant.

use jiff::Timestamp;
use opensearch_directives::admin::DirectivesApi;
use opensearch_directives::fleet::{PastFleet, PastInstance, PastState};
use opensearch_directives::history::PastDirective;
use serde_json::{Map, Value};

use crate::error_text;
use crate::report_wording::count;

/// The maximum number of instances that one line of text names.
const NAMED: usize = 20;
/// The states that an instance can have had, each with its name in JSON and the beginning of its
/// line of text.
const STATES: [(PastState, &str, &str); 6] = [
    (PastState::Applied, "applied", "applied on"),
    (PastState::NotYet, "not_yet", "not yet on"),
    (PastState::NoLonger, "no_longer", "no longer on"),
    (PastState::Rejected, "rejected", "rejected by"),
    (PastState::Off, "off", "turned off on"),
    (PastState::Unknown, "unknown", "not known for"),
];

/// The instances that were running at the instant in `history --at`.
pub(super) struct PastInstances {
    /// The state of the fleet at the instant; `None` if the fleet has no history, or if the command
    /// cannot read it.
    fleet: Option<PastFleet>,
    /// The error that occurred while the command read the history of the fleet; `None` if there was
    /// no error.
    error: Option<String>,
}

impl PastInstances {
    /// Reads the history of the fleet at an instant. If the history of the fleet cannot be read,
    /// the result contains the error, so that the command still prints the rest of its output.
    pub(super) async fn read(api: &DirectivesApi, instant: Timestamp) -> Self {
        match api.fleet_at(instant).await {
            Ok(fleet) => Self { fleet, error: None },
            Err(error) => Self {
                fleet: None,
                error: Some(error_text::text(&error)),
            },
        }
    }

    /// Returns a line for each reason why the names of some or all instances are unknown. Returns
    /// no lines if all instances are known, or if the fleet has no history.
    pub(super) fn problems(&self) -> Vec<String> {
        let error = self
            .error
            .iter()
            .map(|error| format!("not known on which instances the directives applied: {error}"));
        let fleet = self.fleet.as_ref();
        error
            .chain(fleet.and_then(unreadable))
            .chain(fleet.and_then(truncation))
            .collect()
    }

    fn instances(&self) -> &[PastInstance] {
        match &self.fleet {
            Some(fleet) => &fleet.instances,
            None => &[],
        }
    }

    /// Groups the names of the instances by the state that each instance had at the instant.
    fn by_state(&self, directive: &PastDirective) -> Vec<(&'static str, &'static str, Vec<&str>)> {
        let instances = self.instances();
        let version = directive.version();
        let state = |instance: &PastInstance| {
            version.map_or(PastState::Unknown, |version| instance.state(version))
        };
        let named = STATES.into_iter().map(|(wanted, key, text)| {
            let of_state = instances.iter().filter(|one| state(one) == wanted);
            let names: Vec<&str> = of_state.map(|one| &*one.before.instance).collect();
            (key, text, names)
        });
        named.filter(|(_, _, names)| !names.is_empty()).collect()
    }

    /// Returns one line for each state in which an instance was, with the names of the instances in
    /// this state.
    pub(super) fn lines(&self, directive: &PastDirective) -> Vec<String> {
        let states = self.by_state(directive).into_iter();
        let lines = states.map(|(_, text, names)| {
            let number = names.len();
            let named = names[..number.min(NAMED)].join(", ");
            let more = match number.saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more (-o json)"),
            };
            let instances = count(number, "instance");
            format!("    {text} {instances}: {named}{more}")
        });
        lines.collect()
    }

    /// Returns the names of the instances, grouped by state, as JSON; `None` if the fleet has no
    /// readable history.
    pub(super) fn json(&self, directive: &PastDirective) -> Option<Value> {
        self.fleet.as_ref()?;
        let states = self.by_state(directive).into_iter();
        let states: Map<String, Value> = states
            .map(|(key, _, names)| (key.to_owned(), names.into()))
            .collect();
        Some(states.into())
    }
}

/// Returns the line that warns about unreadable records in the fleet's history; `None` if all
/// records are readable.
fn unreadable(fleet: &PastFleet) -> Option<String> {
    let first = fleet.unreadable.first()?;
    let records = count(fleet.unreadable.len() as u64, "record");
    Some(format!(
        "not known for the instances in {records} of the fleet's history: {} is unreadable: {}",
        first.id, first.problem
    ))
}

/// Returns the line that warns that the command did not read all instances of the fleet; `None` if
/// it read all instances.
fn truncation(fleet: &PastFleet) -> Option<String> {
    let read = fleet.instances.len();
    fleet.is_truncated.then(|| {
        format!("not known for all instances: the command read {read}, and there are more")
    })
}
