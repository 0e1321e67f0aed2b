//! The operations with which an operator prepares a cluster, reads directives and changes them. A
//! change never overwrites a change that somebody else makes at the same time.

mod bulk;
mod cluster_info;
mod diagnosis;
mod directives_api;
mod error;
mod execute;
mod field_differences;
mod install_roles;
mod installer;
mod plan_writes;
mod planned_write;
mod read;
mod record_writes;
#[cfg(feature = "signatures")]
mod sign;
mod simulate;

pub use crate::http::Client;
pub use cluster_info::ClusterInfo;
pub use diagnosis::{
    Caller, IndexHealth, IndexState, Permission, ServerCertificate, SnapshotState, Visibility,
};
pub use directives_api::{DirectivesApi, Stored, Version};
pub use error::{Refusal, WriteError};
pub use execute::{Outcome, WriteReport};
pub use field_differences::{ChangeEffect, FieldChange};
pub use installer::{
    Change, HistoryState, InstallError, InstallErrorKind, InstallStep, Installer, LifetimeLimits,
    LifetimeLimitsChange, RetentionPolicy,
};
pub use planned_write::{PlannedKind, PlannedWrite};
pub use record_writes::{HistoryReport, Unrecorded};
