//! Diagnostics directives that live in an OpenSearch index.

#![forbid(unsafe_code)]

mod clock;
mod cluster;
mod config;
mod document;
mod domain;
mod status;

pub use clock::{Clock, SystemClock};
pub use cluster::{
    Client, ClusterConfig, ConfigError, Credentials, NodeState, NodeStatus, RequestError,
    RequestErrorKind, Tls,
};

pub use config::{Config, Startup};
pub use document::{
    Audit, DecodeLimits, Document, DocumentRef, DocumentState, Draft, Expiry, ImportError,
    ImportProblem, Rejection, RejectionReason, decode, encode, encode_draft, parse_drafts,
};
pub use domain::{
    Decision, DiagLevel, DiagnosticsDirective, Digest, DirectiveMatch, DirectiveRef, DirectiveSet,
    DirectiveSetBuilder, DirectiveStore, EndpointKind, Explanation, InMemoryDirectiveStore, Reader,
    RequestAttrs, UnknownDiagLevel, UnknownEndpointKind,
};
pub use status::{Counters, Rejected, Revision, Staleness, Status};
