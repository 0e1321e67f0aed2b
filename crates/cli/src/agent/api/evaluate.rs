//! `POST /v1/evaluate` and `POST /v1/evaluate/batch`: return the decision for one request, or the
//! decisions for several requests. The agent evaluates all requests of a batch with the same set
//! and for the same instant.

use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use opensearch_directives::{Decision, DirectiveSet};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::body::Body;
use super::expensive_responses::{hold_until_sent, run_sized};
use super::library_schemas;
use super::openapi::{Busy, Internal, InvalidField, LargeBatch, LargeBody, SlowBody};
use super::problem::Problem;
use super::query::single_flag;
use super::request_to_evaluate::EvaluateRequest;
use super::state::Agent;

/// The largest number of requests that a client may send in one batch.
const MAX_BATCH: usize = 256;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch<'a> {
    #[serde(borrow)]
    #[schema(value_type = Vec<EvaluateRequest>, max_items = 256)]
    requests: Vec<&'a RawValue>,
}

#[derive(Debug, Serialize)]
struct Decisions<'a> {
    decisions: Vec<Verdict<'a>>,
}

/// The decision for one evaluated request, and the directives that apply to this request.
#[derive(Debug, Serialize)]
struct Verdict<'a> {
    #[serde(flatten)]
    decision: Decision,
    /// The ids of the directives that apply to the request, in ascending order and without
    /// duplicates.
    directives: Vec<&'a str>,
}

impl<'a> Verdict<'a> {
    fn of(set: &'a DirectiveSet, request: &EvaluateRequest, now: Timestamp) -> Self {
        let mut directives = Vec::new();
        let decision = request.evaluate(set, now, |directive| directives.push(directive.id));
        directives.sort_unstable();
        // If the request's path names an index repeatedly, the evaluation returns a directive for
        // this index repeatedly, so duplicates are removed here.
        directives.dedup();
        Self {
            decision,
            directives,
        }
    }
}

/// Evaluate a request
#[utoipa::path(post, path = "/v1/evaluate", operation_id = "evaluate",
    params(("uncounted" = Option<String>, Query, description = "Do not count the request in `/v1/hits`, because it is only a question of an operator", max_length = 0)),
    request_body = EvaluateRequest,
    responses(
        (status = 200, description = "The decision, in the body and in headers", body = library_schemas::Decision, headers(
            ("Directives-Level" = String, description = "As `level`"),
            ("Directives-Ring-Buffer" = String, description = "true or false"),
            ("Directives-Capture" = String, description = "true or false"))),
        InvalidField, SlowBody, LargeBody, Internal))]
pub(super) async fn one(
    State(agent): State<Agent>,
    RawQuery(query): RawQuery,
    Body(body): Body,
) -> Result<Response, Problem> {
    let is_uncounted = single_flag("uncounted", query.as_deref())?;
    let request = EvaluateRequest::parse(&body)?;
    let (store, clock) = (agent.store, agent.clock);
    let mut set = store.snapshot().set().clone();
    if is_uncounted {
        set = set.uncounted();
    }
    let response = run_sized(set.len(), move || {
        let verdict = Verdict::of(&set, &request, clock.now());
        serde_json::to_vec(&verdict).map(|body| (decision_headers(verdict.decision), body))
    });
    let (headers, body) = response.await??;
    Ok((headers, json(body)).into_response())
}

/// Returns the decision as response headers, for proxies that cannot read response bodies, such as
/// nginx with `auth_request`.
pub(super) fn decision_headers(decision: Decision) -> [(&'static str, &'static str); 3] {
    let bool = |value| if value { "true" } else { "false" };
    [
        ("directives-level", decision.level.as_str()),
        ("directives-ring-buffer", bool(decision.ring_buffer)),
        ("directives-capture", bool(decision.capture)),
    ]
}

/// Evaluate several requests
#[utoipa::path(post, path = "/v1/evaluate/batch", operation_id = "evaluateBatch",
    request_body = Batch<'_>,
    responses((status = 200, description = "The decisions", body = library_schemas::Decisions),
        InvalidField, SlowBody, LargeBatch, Internal, Busy))]
pub(super) async fn batch(
    State(agent): State<Agent>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let requests = parse_batch(&body)?;
    let permit = agent.batches.permit().await?;
    let (store, clock) = (agent.store, agent.clock);
    let set: DirectiveSet = store.snapshot().set().clone();
    let response = run_sized(set.len().saturating_mul(requests.len()), move || {
        let now = clock.now();
        let decisions = requests
            .iter()
            .map(|request| Verdict::of(&set, request, now))
            .collect();
        serde_json::to_vec(&Decisions { decisions })
    });
    Ok(json(hold_until_sent(permit, response.await??)))
}

pub(super) fn parse_batch(body: &[u8]) -> Result<Vec<EvaluateRequest>, Problem> {
    let problem =
        |error: &str| Problem::field("body", &format!("it is not {{\"requests\": [...]}}{error}"));
    // The body of a batch must be a JSON object. Without this check for `{`, the parser would also
    // accept a JSON array that lists the values of the fields.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(problem(""));
    }
    let batch: Batch<'_> =
        serde_json::from_slice(body).map_err(|error| problem(&format!(": {error}")))?;
    let requests = batch.requests.len();
    if requests > MAX_BATCH {
        let problem = format!("there are {requests} requests; send at most {MAX_BATCH} at once");
        return Err(Problem::field("requests", &problem));
    }
    let requests = batch.requests.iter().enumerate().map(|(number, request)| {
        EvaluateRequest::parse(request.get().as_bytes())
            .map_err(|problem| problem.within(&format!("requests[{number}]")))
    });
    requests.collect()
}

fn json(body: impl axum::response::IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use axum::http::StatusCode;
    use opensearch_directives::{ClusterConfig, Config, OpenSearchDirectiveStore, SystemClock};

    use super::super::super::server::Connections;
    use super::super::super::signals::phases;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn clients_that_read_large_responses_delay_no_batch() {
        let cluster = ClusterConfig::new(["http://127.0.0.1:1".parse().unwrap()]);
        let (store, _refresher) = OpenSearchDirectiveStore::build(Config::new(cluster)).unwrap();
        let connections = Connections::new(1);
        let (store, clock) = (Arc::new(store), Arc::new(SystemClock));
        let agent = Agent::new(store, clock, 1, 0, phases().1, &connections);
        let mut permits = Vec::new();
        while let Ok(permit) = agent.large_responses.permit().await {
            permits.push(permit);
        }
        let body = Body(r#"{"requests": []}"#.into());
        let response = batch(State(agent), body).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}
