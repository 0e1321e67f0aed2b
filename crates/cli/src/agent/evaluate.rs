//! `POST /v1/evaluate` and `POST /v1/evaluate/batch`: what the directives say of a
//! request, or of several by one set and at one instant.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use opensearch_directives::{Decision, DirectiveSet, Explanation};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::admission::{done, sent_within};
use super::body::Body;
use super::evaluate_request::Question;
use super::problem::Problem;
use super::router::Agent;

/// How many requests a batch may hold.
const BATCH_AT_MOST: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow)]
    requests: Vec<&'a RawValue>,
}

#[derive(Debug, Serialize)]
struct Decisions<'a> {
    decisions: Vec<Explanation<'a>>,
}

pub(super) async fn one(State(agent): State<Agent>, Body(body): Body) -> Result<Response, Problem> {
    let question = Question::read(&body)?;
    let (store, clock) = (agent.store, agent.clock);
    let set = store.snapshot().set().clone();
    let answer = done(set.len(), move || {
        let explanation = set.explain(&question.attrs(), clock.now(), &question.request_id);
        serde_json::to_vec(&explanation).map(|body| (headers(explanation.decision), body))
    });
    let (headers, body) = answer.await??;
    Ok((headers, json(body)).into_response())
}

/// The decision for proxies that read no bodies, such as nginx with `auth_request`.
fn headers(decision: Decision) -> [(&'static str, &'static str); 3] {
    let bool = |value| if value { "true" } else { "false" };
    [
        ("directives-level", decision.level.as_str()),
        ("directives-ring-buffer", bool(decision.ring_buffer)),
        ("directives-capture", bool(decision.capture)),
    ]
}

pub(super) async fn batch(
    State(agent): State<Agent>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let questions = read_batch(&body)?;
    let turn = agent.work.turn().await?;
    let (store, clock) = (agent.store, agent.clock);
    let set: DirectiveSet = store.snapshot().set().clone();
    let answer = done(set.len().saturating_mul(questions.len()), move || {
        let now = clock.now();
        let decisions = questions
            .iter()
            .map(|question| set.explain(&question.attrs(), now, &question.request_id))
            .collect();
        serde_json::to_vec(&Decisions { decisions })
    });
    Ok(json(sent_within(turn, answer.await??)))
}

fn read_batch(body: &[u8]) -> Result<Vec<Question>, Problem> {
    let batch: Batch<'_> = serde_json::from_slice(body).map_err(|error| {
        Problem::field(
            "body",
            &format!("it is not {{\"requests\": [...]}}: {error}"),
        )
    })?;
    let requests = batch.requests.len();
    if requests > BATCH_AT_MOST {
        let problem = format!("there are {requests} of them; send at most {BATCH_AT_MOST} at once");
        return Err(Problem::field("requests", &problem));
    }
    let questions = batch.requests.iter().enumerate().map(|(number, request)| {
        Question::read(request.get().as_bytes())
            .map_err(|problem| problem.within(&format!("requests[{number}]")))
    });
    questions.collect()
}

fn json(body: impl axum::response::IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
