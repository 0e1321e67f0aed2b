//! The model: what a directive is, what a request carries, and what a set of
//! directives says about a request.
//!
//! Nothing here does I/O, reads a clock, spawns a task or knows of OpenSearch;
//! time is always an argument. Nothing here imports from the layers above.

mod attributes;
pub(crate) mod cache;
mod digest;
mod directive;
mod sampling;
mod set;
mod store;

pub use attributes::{EndpointKind, RequestAttrs, UnknownEndpointKind};
pub use cache::Reader;
pub(crate) use cache::{Published, Publisher, publication};
pub use digest::Digest;
pub use directive::{
    DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveRef, UnknownDiagLevel,
};
pub(crate) use set::Edit;
pub use set::{
    Decision, DirectiveSet, DirectiveSetBuilder, DirectiveStates, Explanation, RepeatedId,
};
pub use store::{DirectiveStore, InMemoryDirectiveStore};
