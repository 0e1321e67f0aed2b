//! What operators do: install the pipeline, the template and the index, and write directives.

mod apply;
mod directives_api;
mod error;
mod installer;

pub use crate::http::Client;
pub use directives_api::{DirectiveWriter, Stored};
pub use error::{Refusal, WriteError};
pub(crate) use installer::PIPELINE;
pub use installer::{Change, InstallError, InstallStep, Installer};
