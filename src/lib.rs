//! Diagnostics directives that live in an OpenSearch index, for proxies in front of it.
//!
//! A *directive* makes a proxy record more about a part of the traffic for a limited time. It has a
//! level, targets, a sample rate and an expiry. Operators keep directives as documents in an index.
//! A *refresher* polls the index, builds an immutable [`DirectiveSet`] and publishes it in one
//! swap; the request path loads the set and evaluates requests with it.
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
//! with a source of their own. The module [`admin`] is what the `directives` command is made
//! of.
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

#![forbid(unsafe_code)]

pub mod admin;
mod agent_source;
mod clock;
mod config;
pub mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod last_good_atomic_write;
mod last_good_format;
#[cfg(feature = "prometheus")]
mod metrics;
mod poll_pauses;
mod refresher;
mod rest;
mod safeguard_switches;
mod snapshot_source;
pub mod status;
mod store;
mod sync;
mod time_limit;

/// Items that the crates of this project share. They are not part of the public interface.
#[doc(hidden)]
pub mod internal {
    pub use opensearch_directives_core::internal::*;

    pub use crate::http::{Client, Method, Request, RequestFailure, Response, Transport};
    pub use crate::refresher::{Refresher, Shared};
    pub use crate::rest::{CLOSE_TIMEOUT, PAGE_SIZE, off_the_runtime, weight_of};
    pub use crate::safeguard_switches::{Safeguard, Safeguards};
}

// These names are the ones that most applications need; the others are in the public modules.
pub use clock::{Clock, SystemClock};
pub use config::{Config, Startup, Upstream};
pub use error::{RefreshError, StartError};
pub use http::{ClusterConfig, Credentials, CredentialsProvider, Secret, Tls};
#[cfg(feature = "prometheus")]
pub use metrics::StatusCollector;
pub use opensearch_directives_core::{
    Decision, DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveRef, DirectiveSet,
    DirectiveSetBuilder, DirectiveStore, EndpointKind, Explanation, InMemoryDirectiveStore, Reader,
    RequestAttrs, Snapshot, document,
};
pub use refresher::Subscription;
pub use status::Status;
pub use store::OpenSearchDirectiveStore;
