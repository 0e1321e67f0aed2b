//! Builds the routers of the API listener and of the health listener, with the checks that run
//! before the handlers.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Extension, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Router, body::Bytes};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::access::{Access, Permission};
use super::super::server::Peer;
use super::openapi::{self, Description};
use super::problem::Problem;
use super::state::Agent;
use super::{
    directives, evaluate, ext_authz, health, hits, metrics, osproxy, refresh, reports, snapshot,
};

/// The maximum size of a request body in bytes, for a single evaluation (`MAX_BODY_BYTES`) and for
/// a batch or for reports (`MAX_BATCH_BODY_BYTES`).
const MAX_BODY_BYTES: usize = 64 << 10;
const MAX_BATCH_BODY_BYTES: usize = 1 << 20;

/// Builds the router of the agent's API, with one group of paths for each permission that requests
/// can need.
pub(in super::super) fn router(agent: Agent, access: Arc<Access>) -> Router {
    let permission = |permission| {
        middleware::from_fn_with_state((Arc::clone(&access), permission), check_permission)
    };
    let read = OpenApiRouter::new()
        .routes(routes!(metrics::get))
        .routes(routes!(health::status))
        .routes(routes!(directives::get))
        .routes(routes!(hits::get))
        .routes(routes!(osproxy::get))
        .routes(routes!(snapshot::get))
        .route_layer(permission(Permission::Read));
    let batch = OpenApiRouter::new()
        .routes(routes!(evaluate::batch))
        .layer(DefaultBodyLimit::max(MAX_BATCH_BODY_BYTES));
    let evaluate = OpenApiRouter::new()
        .routes(routes!(evaluate::one))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .merge(batch)
        .route(ext_authz::PATHS[0], any(ext_authz::any))
        .route(ext_authz::PATHS[1], any(ext_authz::any))
        .route_layer(permission(Permission::Evaluate));
    let refresh = OpenApiRouter::new()
        .routes(routes!(refresh::post))
        .route_layer(permission(Permission::Refresh));
    let report = OpenApiRouter::new()
        .routes(routes!(reports::post))
        .layer(DefaultBodyLimit::max(MAX_BATCH_BODY_BYTES))
        .route_layer(permission(Permission::Report));
    let (router, description) = openapi::router()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(openapi::get))
        .merge(read)
        .merge(evaluate)
        .merge(refresh)
        .merge(report)
        .split_for_parts();
    // The OpenAPI description contains only strings, so its serialization cannot fail.
    let description = Description(Bytes::from(description.to_json().unwrap_or_default()));
    finish(
        router
            .layer(Extension(description))
            .layer(middleware::from_fn(reserve_for_health))
            .layer(middleware::from_fn_with_state(access, check_browser))
            .layer(middleware::from_fn(ext_authz::never_refuse)),
        agent,
    )
}

/// Builds the router of the health listener. The health listener accepts every host name, because
/// probes and Prometheus may use any name for the agent.
pub(in super::super) fn health_router(agent: Agent) -> Router {
    let router = OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::get));
    finish(router.into(), agent)
}

fn finish(router: Router<Agent>, agent: Agent) -> Router {
    router
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "this path does not exist"))
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not support the method; the Allow header lists those it does",
            )
        })
        .layer(middleware::from_fn(forbid_caching))
        .with_state(agent)
}

/// Adds the header `Cache-Control: no-store` to a response unless the handler has set
/// `Cache-Control` itself, so that no HTTP cache stores the response.
async fn forbid_caching(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Refuses all requests except health checks on a connection that is reserved for health checks.
async fn reserve_for_health(
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if peer.health_only && !matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics") {
        let problem = Problem::busy("all connections of the agent are in use; try again");
        let close = [(header::CONNECTION, HeaderValue::from_static("close"))];
        return (close, problem).into_response();
    }
    next.run(request).await
}

async fn check_browser(
    State(access): State<Arc<Access>>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match access.check_browser(peer, request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn check_permission(
    State((access, permission)): State<(Arc<Access>, Permission)>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match access.check_permission(peer, request.headers(), permission) {
        Ok(()) => next.run(request).await,
        Err(response) => response,
    }
}
