//! Diagnostics directives without I/O: the model, the document codec, the compiled set,
//! the publication cell and the published snapshot.
//!
//! Nothing here performs I/O, reads a clock or spawns a task; time is always an argument.

#![forbid(unsafe_code)]

mod digest;
pub mod document;
mod hex;
mod model;
mod publish;
mod set;
mod snapshot;
mod store;

#[doc(hidden)]
pub mod internal;

pub use digest::Digest;
pub use model::directive::{
    DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveRef, DirectiveState, UnknownDiagLevel,
};
pub use model::request::{EndpointKind, RequestAttrs, RequestId, UnknownEndpointKind};
pub use publish::Reader;
pub use set::{
    BuildError, Decision, DirectiveSet, DirectiveSetBuilder, DirectiveStates, Explanation,
};
pub use snapshot::{Revision, Snapshot, SnapshotError, SnapshotErrorKind};
pub use store::{DirectiveStore, InMemoryDirectiveStore};
