//! Diagnostics directives that live in an OpenSearch index.

#![forbid(unsafe_code)]

mod backoff;
mod clock;
mod cluster;
mod collector;
mod config;
mod document;
mod domain;
mod error;
mod hits;
mod index;
mod last_good;
#[cfg(feature = "prometheus")]
mod metrics;
mod opensearch_store;
mod refresher;
mod snapshot;
mod source;
mod status;
mod writer;

pub use clock::{Clock, SystemClock};
pub use cluster::{
    Client, ClusterConfig, ConfigError, Credentials, NodeState, NodeStatus, RequestError,
    RequestErrorKind, Tls, chain as error_chain,
};
pub use config::{Config, Startup};
pub use document::{
    Audit, DecodeLimits, Document, DocumentRef, DocumentState, Draft, Expiry, ImportError,
    ImportProblem, Rejection, RejectionReason, decode, encode, encode_draft, parse_drafts,
};
pub use domain::{
    Decision, DiagLevel, DiagnosticsDirective, Digest, DirectiveMatch, DirectiveRef, DirectiveSet,
    DirectiveSetBuilder, DirectiveStore, EndpointKind, Explanation, InMemoryDirectiveStore, Reader,
    RepeatedId, RequestAttrs, UnknownDiagLevel, UnknownEndpointKind,
};
pub use error::{PollError, RefreshError, StartError};
pub use hits::Incomplete;
pub use index::{Change, InstallError, InstallStep, Installer};
pub use last_good::LastGoodError;
#[cfg(feature = "prometheus")]
pub use metrics::StatusCollector;
pub use opensearch_store::OpenSearchDirectiveStore;
pub use source::ReadError;
pub use status::{Counters, Rejected, Revision, Staleness, Status};
pub use writer::{DirectiveWriter, Refusal, Stored, WriteError};
