//! One request, answered by whichever node answers.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::debug;

use super::config::ClusterConfig;
use super::config_error::ConfigError;
use super::error::{RequestError, RequestFailure, chain};
use super::nodes::{NodeState, NodeStatus, Nodes};
use super::opensearch::OpenSearchTransport;
use super::transport::{Request, Response, Transport};

/// How much of a refusal's text an error keeps, in characters.
const REASON_CHARS: usize = 300;

/// A connection to a cluster, and the index that is meant. A clone is another handle
/// to the same connections.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<dyn Transport>,
    nodes: Arc<Nodes>,
    index: Arc<str>,
    request_timeout: Duration,
    traffic: Arc<Traffic>,
}

/// The node that answered first: from then on no other is asked.
///
/// What one node says of the cluster says nothing of what another one shows.
#[derive(Debug, Default)]
pub(crate) struct PinnedNode(OnceLock<usize>);

impl PinnedNode {
    /// Its index in the configured list, once it has responded.
    pub(crate) fn index(&self) -> Option<usize> {
        self.0.get().copied()
    }
}

/// What went over the wire since the start.
#[derive(Debug, Default)]
struct Traffic {
    requests: AtomicU64,
    bytes_received: AtomicU64,
}

impl Client {
    /// Checks the configuration and builds the client; sends nothing.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that cannot work.
    pub fn new(config: &ClusterConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let transport = Arc::new(OpenSearchTransport::new(config)?);
        Ok(Self::over(transport, config))
    }

    /// A client over another transport; the configuration's certificates and
    /// credentials are the transport's matter.
    #[doc(hidden)]
    #[must_use]
    pub fn over(transport: Arc<dyn Transport>, config: &ClusterConfig) -> Self {
        let mut hasher = DefaultHasher::new();
        config.instance.hash(&mut hasher);
        Self {
            transport,
            nodes: Arc::new(Nodes::new(&config.urls, hasher.finish())),
            index: config.index.as_str().into(),
            request_timeout: config.request_timeout,
            traffic: Arc::default(),
        }
    }

    /// How many requests were sent, to whichever node.
    pub(crate) fn requests(&self) -> u64 {
        self.traffic.requests.load(Ordering::Relaxed)
    }

    /// How many bytes the answers' bodies had.
    pub(crate) fn bytes_received(&self) -> u64 {
        self.traffic.bytes_received.load(Ordering::Relaxed)
    }

    /// The index that is meant.
    #[must_use]
    pub fn index(&self) -> &str {
        &self.index
    }

    /// The nodes and how each does.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeState> {
        self.nodes.states()
    }

    /// Sends a request and gives the body of an answer of status 2xx.
    ///
    /// Asks the nodes in turn until one answers, each for at most the request's time
    /// limit. Every request we send may be sent twice: it reads, or it writes a whole
    /// document under its id. An answer that refuses is an answer, except 502, 503 and
    /// 504, with which a load balancer or a node without a cluster says that another
    /// may do better.
    pub(crate) async fn send(&self, request: Request) -> Result<Bytes, RequestError> {
        self.send_to(&PinnedNode::default(), request).await
    }

    /// [`send`](Self::send) to the one node, whichever that becomes.
    pub(crate) async fn send_to(
        &self,
        node: &PinnedNode,
        request: Request,
    ) -> Result<Bytes, RequestError> {
        let answer = self.exchange(node, &request).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        Err(self.error(&request, None, refusal(&answer)))
    }

    /// Whether the one node failed after it had answered, and there are others.
    pub(crate) fn has_lost(&self, node: &PinnedNode) -> bool {
        let states = self.nodes.states();
        let state = node.index().and_then(|place| states.get(place));
        states.len() > 1 && state.is_some_and(|state| state.status == NodeStatus::Dead)
    }

    /// Asks other nodes first from now on.
    pub(crate) fn avoid(&self, node: &PinnedNode) {
        if let Some(place) = node.index() {
            self.nodes.left(place, Instant::now());
        }
    }

    /// [`send`](Self::send), and the body decoded from JSON.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<T, RequestError> {
        let operation = request.operation();
        let body = self.send(request).await?;
        serde_json::from_slice(&body).map_err(|error| malformed(operation, error))
    }

    async fn exchange(
        &self,
        node: &PinnedNode,
        request: &Request,
    ) -> Result<Response, RequestError> {
        let mut last = None;
        let places = match node.index() {
            Some(place) => vec![place],
            None => self.nodes.order(Instant::now()),
        };
        for place in places {
            self.traffic.requests.fetch_add(1, Ordering::Relaxed);
            let asked = self.nodes.ask(place);
            let result = tokio::time::timeout(
                self.request_timeout,
                self.transport.send(place, request, self.request_timeout),
            )
            .await
            .unwrap_or(Err(RequestFailure::Timeout(self.request_timeout)));
            if let Ok(answer) = &result {
                let bytes = answer.body.len() as u64;
                self.traffic
                    .bytes_received
                    .fetch_add(bytes, Ordering::Relaxed);
            }
            let kind = match result {
                Ok(answer) if matches!(answer.status, 502..=504) => refusal(&answer),
                Ok(answer) => {
                    asked.answered();
                    // The first time; the same one from then on.
                    let _ = node.0.set(place);
                    debug!(operation = %request.operation(), status = answer.status, bytes = answer.body.len(), "answered");
                    return Ok(answer);
                }
                // Another node would send as much.
                Err(kind @ RequestFailure::TooLarge { .. }) => {
                    asked.answered();
                    return Err(self.error(request, Some(place), kind));
                }
                Err(kind) => kind,
            };
            drop(asked);
            if node.index().is_some() {
                self.nodes.prefer_another(place);
            }
            let error = self.error(request, Some(place), kind);
            debug!(error = chain(&error), "a node did not answer");
            last = Some(error);
        }
        // There is always a node, so there is always an error.
        Err(last.unwrap_or_else(|| {
            self.error(request, None, RequestFailure::Timeout(self.request_timeout))
        }))
    }

    fn error(&self, request: &Request, place: Option<usize>, kind: RequestFailure) -> RequestError {
        let error = RequestError::new(request.operation(), kind);
        match place {
            Some(place) => error.on_node(self.nodes.url(place)),
            None => error,
        }
    }
}

/// An answer of status 2xx that is not what was asked for.
pub(crate) fn malformed(
    operation: String,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> RequestError {
    RequestError::new(operation, RequestFailure::Malformed(error.into()))
}

/// A problem as OpenSearch says it.
#[derive(Debug, Deserialize)]
pub(crate) struct Exception {
    r#type: String,
    reason: Option<String>,
    caused_by: Option<Box<Exception>>,
}

impl Exception {
    /// Whether it has this name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.r#type == name
    }

    /// The reason of the innermost cause: what went wrong, not what failed for it.
    pub(crate) fn root_reason(&self) -> &str {
        let mut exception = self;
        while let Some(cause) = &exception.caused_by {
            exception = cause;
        }
        exception.reason.as_deref().unwrap_or_default()
    }
}

/// Reads what a refusal says, whether OpenSearch said it or something before it.
fn refusal(answer: &Response) -> RequestFailure {
    #[derive(Deserialize)]
    struct Refusal {
        error: Problem,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Problem {
        Exception(Exception),
        Text(String),
    }

    let (exception, reason) = match serde_json::from_slice(&answer.body) {
        Ok(Refusal {
            error: Problem::Exception(exception),
        }) => (
            Some(exception.r#type.clone()),
            exception.root_reason().to_owned(),
        ),
        Ok(Refusal {
            error: Problem::Text(text),
        }) => (None, text),
        Err(_) => (None, foreign(answer)),
    };
    RequestFailure::Status {
        status: answer.status,
        exception,
        reason: shorten(&reason),
        retry_after: answer.retry_after,
    }
}

/// Names an answer that is not OpenSearch's, such as an agent's or a load balancer's page.
fn foreign(answer: &Response) -> String {
    #[derive(Deserialize)]
    struct ProblemDocument {
        detail: String,
    }

    let content_type = answer.content_type.as_deref().unwrap_or("no content type");
    if content_type.starts_with("application/problem+json")
        && let Ok(ProblemDocument { detail }) = serde_json::from_slice(&answer.body)
    {
        return detail;
    }
    let text = String::from_utf8_lossy(&answer.body);
    let text = text
        .split_whitespace()
        .take(60)
        .collect::<Vec<_>>()
        .join(" ");
    format!("not from OpenSearch ({content_type}): {text}")
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(REASON_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
