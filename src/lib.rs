//! Diagnostics directives that live in an OpenSearch index, for proxies in front of it.
//!
//! A *directive* makes a proxy record more about a slice of traffic, for a while: a
//! level, whom it matches, a sample rate, an expiry. Operators keep directives as
//! documents in an index. A *refresher* polls the index, builds an immutable
//! [`DirectiveSet`] and publishes it in one swap; the request path loads it and asks.
//!
//! ```text
//! index ── poll ──▶ complete read ──▶ DirectiveSet ── publish ──▶ load() ──▶ evaluate()
//!          refresher, every few seconds                          request path, nanoseconds
//! ```
//!
//! # Guarantees
//!
//! - **The request path pays nothing**: [`DirectiveStore::load`], [`Reader::load`] and
//!   [`DirectiveSet::evaluate`] do no I/O, take no lock and do not allocate, and their cost
//!   does not grow with the number of directives.
//! - **Only a complete, consistent read is published**, whole; a poll that fails changes
//!   nothing but the [`Status`].
//! - **A directive starts and expires at its own times**, checked at each evaluation,
//!   however stale the set is.
//! - **What is wrong is refused, never widened**: a document is decoded field by field, and
//!   absent, valid and wrong are three things. A rejection is in the log, a counter and the
//!   status.
//!
//! # Use
//!
//! [`OpenSearchDirectiveStore::start`] starts polling; a proxy holds it as an
//! `Arc<dyn DirectiveStore>`. [`InMemoryDirectiveStore`] is for tests and for applications
//! with a source of their own. [`DirectiveWriter`] and [`Installer`] are what the
//! `directives` command is made of.
//!
//! ```no_run
//! use opensearch_directives::{
//!     Clock as _, Config, DirectiveStore as _, EndpointKind, OpenSearchDirectiveStore,
//!     RequestAttrs, SystemClock,
//! };
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::for_url("http://127.0.0.1:9200".parse()?);
//! let store = OpenSearchDirectiveStore::start(config).await?;
//!
//! // Once a request:
//! let attrs = RequestAttrs {
//!     tenant: Some("acme"),
//!     index: "orders",
//!     principal: "checkout",
//!     endpoint: EndpointKind::Search,
//! };
//! let decision = store.load().evaluate(&attrs, SystemClock.now(), "request-1");
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `rustls-tls` (default): HTTPS by rustls. An application that installs a process-wide
//!   rustls provider first has that one used.
//! - `native-tls`: HTTPS by the platform's library.
//! - `aws-sigv4`: requests signed with AWS Signature Version 4.
//! - `prometheus`: the status as a `prometheus-client` collector.
//! - `osproxy`: `OsproxyDirectiveStore`, the directives of a store for a real osproxy.
//! - `cli`: the `directives` command.

#![forbid(unsafe_code)]

mod backoff;
mod clock;
mod cluster;
mod config;
mod document;
mod domain;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod hits;
mod index;
mod last_good;
#[cfg(feature = "prometheus")]
mod metrics;
mod mirror;
mod opensearch_store;
#[cfg(feature = "osproxy")]
mod osproxy;
mod reading;
mod refresher;
mod snapshot;
mod source;
mod status;
mod upstream;
mod writer;

// What follows is the public interface.
pub use clock::{Clock, SystemClock};
pub use cluster::{
    Client, ClusterConfig, ConfigError, Credentials, NodeState, NodeStatus, RequestError,
    RequestErrorKind, Tls, chain as error_chain,
};
pub use config::{Config, Startup, Upstream};
pub use document::{
    Audit, DecodeLimits, Document, DocumentRef, DocumentState, Draft, Expiry, ImportError,
    ImportProblem, Rejection, RejectionReason, decode, encode, encode_draft, parse_drafts,
};
pub use domain::{
    Decision, DiagLevel, DiagnosticsDirective, Digest, DirectiveMatch, DirectiveRef, DirectiveSet,
    DirectiveSetBuilder, DirectiveStates, DirectiveStore, EndpointKind, Explanation,
    InMemoryDirectiveStore, Reader, RepeatedId, RequestAttrs, UnknownDiagLevel,
    UnknownEndpointKind,
};
pub use error::{PollError, RefreshError, StartError, Stopped};
pub use hits::Incomplete;
pub use index::{Change, InstallError, InstallStep, Installer};
pub use last_good::LastGoodError;
#[cfg(feature = "prometheus")]
pub use metrics::StatusCollector;
pub use opensearch_store::OpenSearchDirectiveStore;
#[cfg(feature = "osproxy")]
pub use osproxy::OsproxyDirectiveStore;
pub use refresher::Subscription;
pub use snapshot::Snapshot;
pub use source::{ReadError, UpstreamError};
pub use status::{
    Counters, PollFailures, ProbedBy, ReadCounters, ReadPlan, Rejected, Revision, Staleness, Status,
};
pub use writer::{DirectiveWriter, Refusal, Stored, WriteError};
