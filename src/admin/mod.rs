//! Administration: installing the pipeline, the template and the index, and changing
//! directives under the condition that nobody else changed them meanwhile.

mod bulk;
mod changes;
mod directives_api;
mod error;
mod execute;
mod inspect;
mod installer;
mod plan;
mod read;
mod roles;
mod simulate;

pub use crate::http::Client;
pub use changes::{ChangeEffect, FieldChange};
pub use directives_api::{DirectivesApi, Stored, Version};
pub use error::{Refusal, WriteError};
pub use execute::{Outcome, WriteReport};
pub use inspect::ClusterInfo;
pub(crate) use installer::PIPELINE;
pub use installer::{
    BoundsChange, Change, InstallError, InstallErrorKind, InstallStep, Installer, SiteBounds,
};
pub use plan::{PlannedKind, PlannedWrite};
