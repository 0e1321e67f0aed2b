#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod document;
mod hex;
mod hits;
mod model;
mod publish;
mod set;
mod set_digest;
mod snapshot;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod visible_text;

#[doc(hidden)]
pub mod internal;

pub use hits::{DirectiveHits, Hits};
pub use model::directive::{
    DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveRef, DirectiveState, UnknownDiagLevel,
};
pub use model::endpoint_of_request::Endpoint;
pub use model::request::{EndpointKind, RequestAttrs, RequestId, UnknownEndpointKind};
pub use publish::Reader;
pub use set::{
    BuildError, Decision, DirectiveSet, DirectiveSetBuilder, DirectiveStates, Explanation,
};
pub use set_digest::Digest;
pub use snapshot::{Revision, Snapshot, SnapshotError, SnapshotErrorKind};
pub use store::{DirectiveStore, InMemoryDirectiveStore};
