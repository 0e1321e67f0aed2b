//! The fleet: which instances apply which directives.
//!
//! Each instance that has a [`Reporter`] keeps one document in the index `directives-fleet` (the name
//! of the polled index, followed by `-fleet`), which [`Installer::install_fleet`] creates. The
//! reporter writes the document when the applied state changes, and otherwise at a slow heartbeat.
//! [`DirectivesApi::fleet`] reads all documents and compares them with the index.
//!
//! Reporting is optional. It never delays a poll, and an instance that may not report polls as
//! before.
//!
//! [`Installer::install_fleet`]: crate::admin::Installer::install_fleet
//! [`DirectivesApi::fleet`]: crate::admin::DirectivesApi::fleet

mod instance_report;
mod instance_state;
mod read;
mod reporter;
mod write;

pub use instance_report::{InstanceKind, InstanceReport, ReportedRejection};
pub use instance_state::{Fleet, IndexPosition, InstanceState};
pub use reporter::Reporter;

/// Returns the name of the index in which the instances report that poll an index with this name.
#[must_use]
pub fn index_name(index: &str) -> String {
    format!("{index}-fleet")
}
