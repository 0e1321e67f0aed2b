//! Proxies in front of OpenSearch use this library to record more diagnostics for selected
//! requests. Documents in an OpenSearch index say which requests are selected.
//!
//! A *directive* instructs a proxy to record more about a part of the traffic for a limited time. A
//! directive consists of a level, targets, a sample rate and an expiry. Operators store directives
//! as documents in an index. A *refresher* polls the index, builds an immutable [`DirectiveSet`]
//! and publishes it in one swap. For each request, the request path loads the published set and
//! evaluates the request with it.
//!
//! ```text
//! index ── poll ──▶ complete read ──▶ DirectiveSet ── publish ──▶ load() ──▶ evaluate()
//!          refresher, every few seconds                          request path, nanoseconds
//! ```
//!
//! # Guarantees
//!
//! - **The request path has almost no cost.** [`DirectiveStore::load`], [`Reader::load`] and
//!   [`DirectiveSet::evaluate`] perform no I/O, take no lock and do not allocate. The time for
//!   loading and evaluating the set does not grow with the number of directives.
//! - **The refresher publishes the result of a read only if the read is complete and consistent.**
//!   The refresher replaces the whole set in one swap. A poll that fails changes only the
//!   [`Status`] and not the set.
//! - **A directive starts and expires on time.** Each evaluation compares the time with the start
//!   and the expiry, even if the set is stale.
//! - **An invalid document never widens a directive.** For each field, the decoder distinguishes an
//!   absent value, a valid value and a wrong value. If one value is wrong, the decoder rejects the
//!   whole document. Each rejection appears in the log, in a counter and in the status.
//!
//! # Use
//!
//! [`OpenSearchDirectiveStore::start`] starts a store that polls the index;
//! [`OpenSearchDirectiveStore::build`] returns the store and a [`Refresher`] that the application
//! runs itself. A proxy can hold the store as an `Arc<dyn DirectiveStore>`. Use
//! [`InMemoryDirectiveStore`] in tests, and in applications that have their own source of
//! directives. The module [`admin`] contains the operations of the `directives` command.
//!
//! ```no_run
//! use opensearch_directives::{
//!     Clock as _, Config, DirectiveStore as _, EndpointKind, OpenSearchDirectiveStore,
//!     RequestAttrs, RequestId, Startup, SystemClock,
//! };
//!
//! # async fn run(x_request_id: Option<&str>) -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::for_url("http://127.0.0.1:9200".parse()?)
//!     // A proxy must serve its traffic even if the cluster is unavailable at the start.
//!     .with_startup(Startup::LastGoodOrEmpty)
//!     .with_last_good("/var/lib/proxy/directives");
//! let store = OpenSearchDirectiveStore::start(config).await?;
//!
//! // Once for each request:
//! let attrs = RequestAttrs::new("orders", "checkout", EndpointKind::Search).with_tenant("acme");
//! let request_id = RequestId::from_header(x_request_id);
//! let decision = store.load().evaluate(&attrs, SystemClock.now(), request_id.as_str());
//! # Ok(())
//! # }
//! ```
//!
//! The module [`docs`] is a guide for proxies that embed the store. The guide explains the clock,
//! the request id, the runtime, the start and the shutdown, forks, the memory and the cost.
//!
//! # Features
//!
//! - `rustls-tls` (default): provides HTTPS with rustls. If the application has installed a
//!   process-wide rustls provider, the store uses this provider.
//! - `native-tls`: provides HTTPS with the TLS library of the platform.
//! - `signatures` (default): verifies and creates signatures of directives (see [`signatures`]).
//! - `aws-sigv4`: signs requests with AWS Signature Version 4.
//! - `testing`: provides the module `testing`, for the tests of an application that embeds the
//!   library.
//! - `prometheus`: exports the status with a `prometheus-client` collector.
//! - `tower`: provides a layer that evaluates each request.

#![forbid(unsafe_code)]
// On docs.rs, the documentation of each item names the feature that the item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod admin;
mod agent_source;
mod clock;
mod config;
pub mod docs;
mod document_limit;
pub mod error;
pub mod fleet;
#[doc(hidden)]
pub mod fuzzing;
pub mod history;
mod http;
mod last_good_atomic_write;
mod last_good_format;
mod limited_read;
mod metric_samples;
mod poll_pauses;
#[cfg(feature = "prometheus")]
mod prometheus_collector;
mod refresher;
mod rest;
mod safeguard_switches;
#[cfg(feature = "signatures")]
pub mod signatures;
#[cfg(not(feature = "signatures"))]
#[path = "signatures_disabled.rs"]
mod signatures;
pub mod source;
pub mod status;
mod status_error_texts;
mod store;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod time_limit;
#[cfg(feature = "tower")]
pub mod tower;

/// Items that other crates of this project use. The items of the module `internal` are not a part
/// of the public interface.
#[doc(hidden)]
pub mod internal {
    pub use opensearch_directives_core::internal::*;

    pub use crate::document_limit::STORED_FACTOR;
    pub use crate::http::{Client, Method, Request, RequestFailure, Response, Transport};
    pub use crate::refresher::{Poller, Shared};
    pub use crate::rest::{CLOSE_TIMEOUT, PAGE_SIZE, off_the_runtime, weight_of};
    pub use crate::safeguard_switches::{Safeguard, Safeguards, Tuning};
}

/// The crate `prometheus-client`, in the version whose trait [`StatusCollector`] implements.
#[cfg(feature = "prometheus")]
pub use prometheus_client;

// The crate root re-exports the names that most applications need. The public modules contain all
// other names.
pub use clock::{Clock, SystemClock};
pub use config::{Config, Startup, Upstream};
pub use error::{RefreshError, StartError};
pub use http::{ClusterConfig, Credentials, CredentialsProvider, Secret, Tls};
pub use opensearch_directives_core::{
    Decision, DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveRef, DirectiveSet,
    DirectiveSetBuilder, DirectiveStore, Endpoint, EndpointKind, Explanation,
    InMemoryDirectiveStore, Reader, RequestAttrs, RequestId, Snapshot, document,
};
#[cfg(feature = "prometheus")]
pub use prometheus_collector::StatusCollector;
pub use refresher::{Refresher, Subscription};
pub use status::Status;
pub use store::OpenSearchDirectiveStore;
