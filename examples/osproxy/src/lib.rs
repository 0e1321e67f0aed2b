//! A real osproxy, from its published crates, in front of one OpenSearch cluster, whose
//! directives come from an index of that same cluster.
//!
//! [`handler`] is all that a proxy needs: the pipeline, told where directives come from.
//! The rest is how this one is observed.

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

/// The one index in which the documents of all tenants are.
pub const SHARED_INDEX: &str = "osproxy-shared";

/// A proxy's request handler, for `osproxy_transport::serve`.
pub type Handler = AppHandler<ReferenceAuthenticator>;

/// What a proxy is made of.
pub struct Parts {
    /// The address of the cluster, such as `http://127.0.0.1:9200`.
    pub upstream: String,
    /// Where the directives come from.
    pub directives: Arc<dyn DirectiveStore>,
    /// Gets a span of each request that a directive raises to `Shape` or above.
    pub exporter: Arc<dyn SpanExporter>,
    /// Gets the exchanges of which a directive asks for capture. Without one, searches
    /// and bulk writes are streamed, and no directive applies to them.
    pub capture: Option<Box<dyn Capture>>,
    /// How many requests the break-glass tape keeps.
    pub tape: usize,
}

/// The proxy: any caller is let in, named by its bearer token; the tenant is the header
/// `x-tenant`, or the field `tenant_id` of a written document.
#[must_use]
pub fn handler(parts: Parts) -> Arc<Handler> {
    let tenancy = ReferenceTenancy::new(
        ClusterId::from("default"),
        IndexName::from(SHARED_INDEX),
        parts.upstream,
    );
    let pipeline = Pipeline::new(TenancyRouter::new(tenancy), OpenSearchSink::new())
        // Nothing is recorded but what a directive asks for.
        .with_baseline_level(DiagLevel::Off)
        .with_exporter(parts.exporter)
        .with_break_glass(Arc::new(BreakGlassBuffer::new(parts.tape)))
        .with_directive_store(parts.directives);
    let handler = AppHandler::new(pipeline, ReferenceAuthenticator::dev())
        // It listens on loopback.
        .with_require_tls_for_mutation(false);
    Arc::new(match parts.capture {
        Some(capture) => handler.with_capture(capture),
        None => handler,
    })
}
