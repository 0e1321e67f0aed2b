//! Shows which instances of a fleet apply which directives.
//!
//! If an instance has a [`Reporter`], the reporter keeps one document in the fleet's index up to
//! date. The name of the fleet's index is the name of the polled index followed by `-fleet`.
//! [`Installer::install_fleet`] creates the fleet's index. The reporter writes its document
//! whenever the instance applies a new state of the polled index, and also at a regular interval,
//! by default once a minute. [`DirectivesApi::fleet`] reads the documents of all instances, and
//! compares these documents with the polled index.
//!
//! If an instance polls an agent, it sends its report to this agent, which forwards the report
//! ([`Reporter::through_agent`] and [`Relay`]). The *history of the fleet* is a data stream that
//! shows when the state of each instance changed. Each writer of reports also appends records to
//! the history of the fleet, and [`DirectivesApi::fleet_at`] reads these records.
//!
//! Reports to the fleet are optional. A report never delays a poll. If the role of an instance does
//! not permit reports, the instance continues to poll.
//!
//! [`Installer::install_fleet`]: crate::admin::Installer::install_fleet
//! [`DirectivesApi::fleet`]: crate::admin::DirectivesApi::fleet
//! [`DirectivesApi::fleet_at`]: crate::admin::DirectivesApi::fleet_at

mod append_transitions;
mod destination;
mod find_transitions;
pub(crate) mod fuzzing;
mod instance_report;
mod instance_state;
mod outbox;
mod past;
mod past_search;
mod read;
mod relay;
mod report_round;
mod reported_hits;
mod reporter;
mod write;

pub use find_transitions::Transition;
pub use instance_report::{InstanceKind, InstanceReport, ReportedRejection};
pub use instance_state::{Fleet, IndexPosition, InstanceState, UnreadableReport};
pub use past::{NextOperation, PastFleet, PastInstance, PastState, PastVersion};
pub use relay::{Relay, RelayError};
pub use reported_hits::ReportedHits;
pub use reporter::Reporter;

/// Returns the name of the fleet's index for the given polled index.
#[must_use]
pub fn index_name(index: &str) -> String {
    format!("{index}-fleet")
}
