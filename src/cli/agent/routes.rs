//! What the agent serves.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use opensearch_directives::{
    Clock, DirectiveStore as _, OpenSearchDirectiveStore, Staleness, StatusCollector,
};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use super::evaluate::Question;
use super::problem::Problem;

/// How many bytes a request may have.
const BODY_AT_MOST: usize = 64 << 10;
/// How long a request may take to arrive.
const REQUEST_AT_MOST: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Agent {
    store: Arc<OpenSearchDirectiveStore>,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
}

pub(super) fn router(store: Arc<OpenSearchDirectiveStore>, clock: Arc<dyn Clock>) -> Router {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(StatusCollector::new(Arc::clone(&store))));
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/v1/status", get(status))
        .route("/v1/directives", get(directives))
        .route("/v1/evaluate", post(evaluate))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path takes another method; Allow names it",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_AT_MOST))
        .layer(middleware::from_fn(bounded))
        .with_state(Agent {
            store,
            registry: Arc::new(registry),
            clock,
        })
}

/// Ends a request that takes too long to arrive, and keeps answers out of caches.
async fn bounded(request: axum::extract::Request, next: middleware::Next) -> Response {
    let answer = tokio::time::timeout(REQUEST_AT_MOST, next.run(request)).await;
    let mut response = answer.unwrap_or_else(|_| {
        let detail = format!("the request did not arrive within {REQUEST_AT_MOST:?}");
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail).into_response()
    });
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
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

async fn metrics(State(agent): State<Agent>) -> Response {
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, &agent.registry).is_err() {
        return Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics cannot be written",
        )
        .into_response();
    }
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}

async fn status(State(agent): State<Agent>) -> Json<impl serde::Serialize> {
    Json(agent.store.status())
}

async fn directives(State(agent): State<Agent>) -> Json<Value> {
    Json(agent.store.load().introspect(agent.clock.now()))
}

async fn evaluate(
    State(agent): State<Agent>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Json<Value>, Problem> {
    let body = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let question = Question::read(&body)?;
    let set = agent.store.load();
    let explanation = set.explain(&question.attrs(), agent.clock.now(), &question.request_id);
    Ok(Json(json!(explanation)))
}
