//! Obtains the decision for a request, either from the index or from an agent, together with the
//! directives that may have caused it.

use jiff::Timestamp;
use opensearch_directives::admin::{DirectivesApi, Stored};
use opensearch_directives::document::Document;
use opensearch_directives::{
    Clock as _, Decision, DiagLevel, DiagnosticsDirective, DirectiveSet, EndpointKind,
    RequestAttrs, SystemClock,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::agent_client::AgentClient;
use super::exit::Failure;
use super::field_filters::State;
use super::output::note;

/// The decision for a request, and the directives that may have caused it.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) decision: Decision,
    pub(super) directives: Vec<Candidate>,
    /// The ids of the directives that the agent applied to the request; `None` if the decision was
    /// computed from the index.
    pub(super) applied_by_agent: Option<Vec<String>>,
    pub(super) now: Timestamp,
}

/// A directive that may apply to the request.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) id: String,
    /// The document of the directive, or the reason why the document is unknown.
    pub(super) document: Result<Document, String>,
    pub(super) state: State,
}

impl Candidate {
    fn of_stored(stored: Stored, now: Timestamp) -> Self {
        let state = State::of(&stored, now);
        Self {
            id: stored.id,
            document: stored
                .document
                .map_err(|rejection| format!("malformed: {rejection}")),
            state,
        }
    }

    fn of_directive(directive: DiagnosticsDirective, now: Timestamp) -> Self {
        let document = Document::new(directive);
        Self {
            id: document.directive.id.clone(),
            state: State::of_document(&document, now),
            document: Ok(document),
        }
    }
}

/// Reads all directives from the index, and computes the decision that a proxy with these
/// directives would make.
pub(super) async fn from_index(
    api: &DirectivesApi,
    request: &RequestAttrs<'_>,
    request_id: &str,
) -> Result<Evidence, Failure> {
    let all = api.list().await?;
    let now = api.now().await?;
    let live: Vec<DiagnosticsDirective> = all
        .iter()
        .filter_map(|stored| stored.document.as_ref().ok())
        .filter(|document| !document.revoked)
        .map(|document| document.directive.clone())
        .collect();
    Ok(Evidence {
        decision: DirectiveSet::from_directives(live).evaluate(request, now, request_id),
        directives: all
            .into_iter()
            .map(|stored| Candidate::of_stored(stored, now))
            .collect(),
        applied_by_agent: None,
        now,
    })
}

/// Requests the agent's decision for the request, and the set that the agent has published.
pub(super) async fn from_agent(
    agent: &AgentClient,
    request: &RequestAttrs<'_>,
    request_id: &str,
) -> Result<Evidence, Failure> {
    let body = body_of(request, request_id);
    let decided = agent.json("/v1/evaluate?uncounted", Some(&body)).await?;
    let decided: Decided = decided.ok_or_else(|| {
        Failure::new(
            super::exit::Exit::Refused,
            "the agent does not permit this token to evaluate requests",
        )
    })?;
    let set: Option<Published> = agent.json("/v1/directives", None).await?;
    if set.is_none() {
        note("note: the agent does not permit this token to read its directives");
    }
    let set = set.unwrap_or_default();
    let now = SystemClock.now();
    let mut directives: Vec<Candidate> = set
        .directives
        .into_iter()
        .map(|published| Candidate::of_directive(published.into(), now))
        .collect();
    for id in &decided.directives {
        if !directives.iter().any(|known| known.id == *id) {
            directives.push(Candidate {
                id: id.clone(),
                document: Err("its content is not known here".to_owned()),
                state: State::Active,
            });
        }
    }
    let mut decision = Decision::default();
    decision.level = decided.level;
    decision.ring_buffer = decided.ring_buffer;
    decision.capture = decided.capture;
    Ok(Evidence {
        decision,
        directives,
        applied_by_agent: Some(decided.directives),
        now,
    })
}

/// Returns the body with which the command asks the agent for its decision.
fn body_of(request: &RequestAttrs<'_>, request_id: &str) -> Value {
    let mut body = json!({
        "index": request.index,
        "principal": request.principal,
        "endpoint": request.endpoint,
        "request_id": request_id,
    });
    if let Some(tenant) = request.tenant {
        body["tenant"] = tenant.into();
    }
    body
}

/// The fields in an agent's response to `POST /v1/evaluate` that contain the decision.
#[derive(Deserialize)]
struct Decided {
    level: DiagLevel,
    ring_buffer: bool,
    capture: bool,
    directives: Vec<String>,
}

/// The field in an agent's response to `GET /v1/directives` that contains the published set.
#[derive(Default, Deserialize)]
struct Published {
    directives: Vec<PublishedDirective>,
}

#[derive(Deserialize)]
struct PublishedDirective {
    id: String,
    level: DiagLevel,
    tenant: Option<String>,
    index: Option<String>,
    principal: Option<String>,
    endpoint: Option<EndpointKind>,
    sample_per_mille: u16,
    ring_buffer: bool,
    capture: bool,
    starts_at: Option<Timestamp>,
    expires_at: Timestamp,
}

impl From<PublishedDirective> for DiagnosticsDirective {
    fn from(one: PublishedDirective) -> Self {
        let mut directive = Self::new(one.id, one.level, one.expires_at);
        directive.match_.tenant = one.tenant;
        directive.match_.index = one.index;
        directive.match_.principal = one.principal;
        directive.match_.endpoint = one.endpoint;
        directive.sample_per_mille = one.sample_per_mille;
        directive.ring_buffer = one.ring_buffer;
        directive.capture = one.capture;
        directive.starts_at = one.starts_at;
        directive
    }
}
