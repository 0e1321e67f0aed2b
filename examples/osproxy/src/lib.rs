//! Builds a real osproxy from its published crates, which forwards requests to one OpenSearch
//! cluster and reads its directives from an index of this cluster.
//!
//! The function [`handler`] shows that one call of `with_directive_store` passes the directive
//! store to the proxy. The parts of this crate besides [`handler`] only make the effects of
//! directives visible.

#![forbid(unsafe_code)]

mod spans;

use std::sync::Arc;

use osproxy_capture::Capture;
use osproxy_core::{ClusterId, IndexName};
use osproxy_engine::Pipeline;
use osproxy_observe::{BreakGlassBuffer, DiagLevel, DirectiveStore, SpanExporter};
use osproxy_server::auth::ReferenceAuthenticator;
use osproxy_server::handler::AppHandler;
use osproxy_server::tenancy::ReferenceTenancy;
use osproxy_sink::OpenSearchSink;
use osproxy_tenancy::TenancyRouter;

pub use spans::PrintedSpans;

/// The index in which osproxy stores the documents of all tenants.
pub const SHARED_INDEX: &str = "osproxy-shared";

/// The type of the proxy's request handler, as the function `osproxy_transport::serve` takes it.
pub type Handler = AppHandler<ReferenceAuthenticator>;

/// The parts from which [`handler`] builds the proxy.
pub struct Parts {
    /// The address of the cluster, such as `http://127.0.0.1:9200`.
    pub upstream: String,
    /// The store from which the proxy takes the directives for each request.
    pub directives: Arc<dyn DirectiveStore>,
    /// The exporter that receives a span for each request to which a directive of the level `Shape`
    /// or a higher level applies.
    pub exporter: Arc<dyn SpanExporter>,
    /// The sink for the requests and responses that a directive captures. Without a capture sink,
    /// osproxy streams searches and bulk writes, and no directive applies to a request that osproxy
    /// streams.
    pub capture: Option<Box<dyn Capture>>,
    /// The number of recent requests that osproxy's break-glass tape keeps in memory.
    pub tape: usize,
}

/// Builds the request handler of the proxy. The proxy accepts every client, and uses the client's
/// bearer token as the principal. The tenant of a request is the value of the header `x-tenant`.
/// For a write, the tenant can also be the field `tenant_id` of the document.
#[must_use]
pub fn handler(parts: Parts) -> Arc<Handler> {
    let tenancy = ReferenceTenancy::new(
        ClusterId::from("default"),
        IndexName::from(SHARED_INDEX),
        parts.upstream,
    );
    let pipeline = Pipeline::new(TenancyRouter::new(tenancy), OpenSearchSink::new())
        // With the baseline level `Off`, the proxy records nothing about a request to which no
        // directive applies.
        .with_baseline_level(DiagLevel::Off)
        .with_exporter(parts.exporter)
        .with_break_glass(Arc::new(BreakGlassBuffer::new(parts.tape)))
        .with_directive_store(parts.directives);
    let handler = AppHandler::new(pipeline, ReferenceAuthenticator::dev())
        // The proxy accepts writes without TLS, because it listens only on the loopback interface.
        .with_require_tls_for_mutation(false);
    Arc::new(match parts.capture {
        Some(capture) => handler.with_capture(capture),
        None => handler,
    })
}
