//! What the agent serves.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use opensearch_directives::status::Staleness;
use opensearch_directives::{Clock, OpenSearchDirectiveStore, StatusCollector};
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::admission::Work;
use super::directives::Listings;
use super::long_poll::Waiting;
use super::problem::Problem;
use super::snapshot::Snapshots;
use super::{directives, evaluate, osproxy, snapshot};

/// How many bytes a request may have, and a batch of them.
const BODY_AT_MOST: usize = 64 << 10;
const BATCH_BODY_AT_MOST: usize = 1 << 20;
/// What is served, for programs.
const OPENAPI: &str = include_str!("openapi.json");

#[derive(Clone)]
pub(super) struct Agent {
    pub(super) store: Arc<OpenSearchDirectiveStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) listings: Listings,
    pub(super) snapshots: Snapshots,
    pub(super) waiting: Waiting,
    pub(super) work: Work,
    registry: Arc<Registry>,
}

impl Agent {
    pub(super) fn new(
        store: Arc<OpenSearchDirectiveStore>,
        clock: Arc<dyn Clock>,
        max_waiting: usize,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(StatusCollector::new(Arc::clone(&store))));
        Self {
            listings: Listings::new(Arc::clone(&store), Arc::clone(&clock)),
            snapshots: Snapshots::new(Arc::clone(&store)),
            store,
            clock,
            waiting: Waiting::new(max_waiting, stopped, &mut registry),
            work: Work::new(),
            registry: Arc::new(registry),
        }
    }
}

/// Every path, as `openapi.json` describes it.
fn routes() -> [(&'static str, MethodRouter<Agent>); 10] {
    [
        ("/healthz", get(async || "ok\n")),
        ("/readyz", get(readyz)),
        ("/metrics", get(metrics)),
        ("/openapi.json", get(openapi)),
        ("/v1/status", get(status)),
        ("/v1/directives", get(directives::get)),
        ("/v1/osproxy", get(osproxy::get)),
        ("/v1/snapshot", get(snapshot::get)),
        ("/v1/evaluate", post(evaluate::one)),
        (
            "/v1/evaluate/batch",
            post(evaluate::batch).layer(DefaultBodyLimit::max(BATCH_BODY_AT_MOST)),
        ),
    ]
}

pub(super) fn router(agent: Agent) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            router.route(path, methods)
        })
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path takes another method; Allow names it",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_AT_MOST))
        .layer(middleware::from_fn(uncached))
        .with_state(agent)
}

/// Keeps answers out of caches, unless they say otherwise.
async fn uncached(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn readyz(State(agent): State<Agent>) -> Response {
    let status = agent.store.status();
    let why = match status.staleness {
        Staleness::Fresh => return "ready\n".into_response(),
        Staleness::Dark => "no complete read yet".to_owned(),
        _ => format!(
            "the last complete read is {:.1} s old",
            status.age_seconds.unwrap_or_default()
        ),
    };
    let detail = match status.last_error {
        Some(error) => format!("{why}; {error}"),
        None => why,
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
}

async fn metrics(State(agent): State<Agent>) -> Result<Response, Problem> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &agent.registry)
        .map_err(|_| Problem::internal("the metrics cannot be written"))?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn status(State(agent): State<Agent>) -> Json<impl serde::Serialize> {
    Json(agent.store.status())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let described: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
        let described: BTreeSet<&str> = described["paths"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let routes: BTreeSet<&str> = routes().into_iter().map(|(path, _)| path).collect();
        assert_eq!(described, routes);
    }
}
