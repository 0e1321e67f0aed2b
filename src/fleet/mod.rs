//! The fleet: which instances apply which directives.
//!
//! Each instance that has a [`Reporter`] maintains one document in the fleet's index. The name of
//! the fleet's index is the name of the polled index followed by `-fleet`.
//! [`Installer::install_fleet`] creates the fleet's index. The reporter writes the document when
//! the applied state changes, and also at a regular interval, by default once a minute.
//! [`DirectivesApi::fleet`] reads the documents of all instances, and compares these documents with
//! the polled index.
//!
//! An instance that polls an agent reports through the polled agent ([`Reporter::through_agent`]
//! and [`Relay`]). Each writer of reports also records in a data stream, the history of the fleet,
//! when an instance began to apply other operations. [`DirectivesApi::fleet_at`] reads the history
//! of the fleet.
//!
//! Reporting is optional. A report never delays a poll, and an instance that may not report
//! continues to poll.
//!
//! [`Installer::install_fleet`]: crate::admin::Installer::install_fleet
//! [`DirectivesApi::fleet`]: crate::admin::DirectivesApi::fleet
//! [`DirectivesApi::fleet_at`]: crate::admin::DirectivesApi::fleet_at

mod destination;
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
mod transition;
mod transition_log;
mod write;

pub use instance_report::{InstanceKind, InstanceReport, ReportedRejection};
pub use instance_state::{Fleet, IndexPosition, InstanceState, UnreadableReport};
pub use past::{PastFleet, PastInstance, PastState};
pub use relay::{Relay, RelayError};
pub use reported_hits::ReportedHits;
pub use reporter::Reporter;
pub use transition::Transition;

/// Returns the name of the fleet's index for the given polled index.
#[must_use]
pub fn index_name(index: &str) -> String {
    format!("{index}-fleet")
}
