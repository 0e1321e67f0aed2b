//! Sends each request to one node after the other until a node responds. The client also counts the
//! requests that it sends and the bytes of the response bodies.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::config::ClusterConfig;
use super::config_error::ConfigError;
use super::error::{RequestError, RequestFailure, chain};
use super::error_response;
use super::nodes::{NodeState, Nodes};
use super::reqwest_transport::NetworkTransport;
use super::transport::{Request, Response, Transport};

/// An HTTP client for the nodes of a cluster. The client also contains the name of the OpenSearch
/// index. All clones of a client share the same network connections.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<dyn Transport>,
    nodes: Arc<Nodes>,
    index: Arc<str>,
    request_timeout: Duration,
    /// What an operator should check if the cluster does not accept the credentials.
    to_check: &'static str,
    traffic: Arc<Traffic>,
}

/// The node that responded to the first request of a poll. All later requests of the same poll go
/// to this node only.
///
/// A poll must send all its requests to a single node, because a node can confirm only its own
/// data.
#[derive(Debug, Default)]
pub(crate) struct PinnedNode(OnceLock<usize>);

impl PinnedNode {
    /// Returns the pinned node's position in the configured list of nodes. Returns `None` before a
    /// node has responded.
    pub(crate) fn index(&self) -> Option<usize> {
        self.0.get().copied()
    }

    /// Makes `node` the node that receives all later requests of the poll. The call has no effect
    /// if the poll already has a pinned node.
    fn pin(&self, node: usize) {
        let _ = self.0.set(node);
    }
}

/// The numbers of sent requests and of received bytes since the client was created.
#[derive(Debug, Default)]
struct Traffic {
    requests: AtomicU64,
    bytes_received: AtomicU64,
}

impl Client {
    /// Checks `config` and creates a client, without sending a request.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] that names the invalid setting.
    pub fn new(config: &ClusterConfig) -> Result<Self, ConfigError> {
        config.check()?;
        if let Some(url) = config.unencrypted_url() {
            warn!(
                host = url.host_str(),
                "credentials are sent over the network without encryption; use https"
            );
        }
        let transport = Arc::new(NetworkTransport::new(config)?);
        Ok(Self::over(transport, config))
    }

    /// Creates a client that sends its requests through `transport` instead of over the network.
    /// The client ignores the certificates and credentials in `config`, because the transport has
    /// its own.
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
            to_check: config.credentials.to_check(),
            traffic: Arc::default(),
        }
    }

    /// Returns the total number of requests that the client has sent to all nodes.
    pub(crate) fn requests(&self) -> u64 {
        self.traffic.requests.load(Ordering::Relaxed)
    }

    /// Returns the total number of bytes of all response bodies that the client has received.
    pub(crate) fn bytes_received(&self) -> u64 {
        self.traffic.bytes_received.load(Ordering::Relaxed)
    }

    /// Returns how many reloads of credentials or certificates have succeeded, and how many have
    /// failed.
    pub(crate) fn credential_reloads(&self) -> (u64, u64) {
        self.transport.credential_reloads()
    }

    /// Makes the client reload its credentials and certificates before the next request.
    pub(crate) fn reload_credentials(&self) {
        self.transport.reload_credentials();
    }

    /// Creates a client for another index of the same cluster. The new client shares the
    /// connections of `self`.
    pub(crate) fn with_index(&self, index: &str) -> Self {
        Self {
            index: index.into(),
            ..self.clone()
        }
    }

    /// Returns the time limit of one request to one node.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// Returns the name of the OpenSearch index that the client accesses.
    #[must_use]
    pub fn index(&self) -> &str {
        &self.index
    }

    /// Returns the configured nodes of the cluster, each with its address, status and failure
    /// count.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeState> {
        self.nodes.states()
    }

    /// Sends a request and returns the body of a response of status 2xx.
    ///
    /// The client tries one node after the other until a node responds. The request timeout applies
    /// separately to each attempt on a node. Several nodes may receive the same request, which is
    /// safe, because a request either only reads, or writes a whole document under its id.
    ///
    /// A response of status 429, 502, 503 or 504 counts as a failure of the node, so the client
    /// tries the next node. After a response of status 401, 403 or 500, the client also tries the
    /// next node. If another node serves a request after one node has refused it, the refusal
    /// counts as a failure of the node that refused. If no node serves the request, the client
    /// returns the first refusal, because the refusal is the cluster's decision.
    pub(crate) async fn send(&self, request: Request) -> Result<Bytes, RequestError> {
        self.send_to(&PinnedNode::default(), request).await
    }

    /// Sends a request like [`send`](Self::send), but only to the pinned node. If no node is pinned
    /// yet, the node that responds becomes the pinned node.
    pub(crate) async fn send_to(
        &self,
        pinned: &PinnedNode,
        request: Request,
    ) -> Result<Bytes, RequestError> {
        let (node, response) = self.exchange(pinned, &request).await?;
        if (200..300).contains(&response.status) {
            return Ok(response.body);
        }
        Err(self.error(
            &request,
            node,
            error_response::failure(&response, self.to_check),
        ))
    }

    /// Returns true if the pinned node has failed, or if the pinned node has refused a request that
    /// another node may serve.
    pub(crate) fn has_lost(&self, pinned: &PinnedNode) -> bool {
        pinned
            .index()
            .is_some_and(|node| self.nodes.has_better_than(node))
    }

    /// Marks the pinned node as failed, so that the client sends later requests to other nodes
    /// first.
    pub(crate) fn avoid(&self, pinned: &PinnedNode) {
        if let Some(node) = pinned.index() {
            self.nodes.avoid(node, Instant::now());
        }
    }

    /// Sends a request that the server may hold for up to `hold` before it responds. Only one node
    /// receives a held request: the node that the client would try first.
    ///
    /// A node that does not respond in time does not count as failed, because a proxy in front of
    /// the node may block held requests although it forwards other requests. If the node refuses a
    /// held request because the node is overloaded, the client sends the next request to another
    /// node.
    pub(crate) async fn send_held(
        &self,
        request: Request,
        hold: Duration,
    ) -> Result<Bytes, RequestError> {
        let node = self.nodes.order(Instant::now()).first().copied();
        let node = node.unwrap_or_default();
        let limit = self.request_timeout.saturating_add(hold);
        let failure = match self.attempt(node, &request, limit).await {
            Ok(response) if (200..300).contains(&response.status) => {
                self.nodes.attempt(node).succeeded();
                return Ok(response.body);
            }
            Ok(response) => {
                if is_overloaded(response.status) {
                    self.nodes.prefer_another(node);
                }
                error_response::failure(&response, self.to_check)
            }
            Err(failure) => {
                if failure.is_of_connection() {
                    self.nodes.avoid(node, Instant::now());
                }
                failure
            }
        };
        Err(self.error(&request, node, failure))
    }

    /// Sends a request like [`send`](Self::send), and decodes the JSON body of the response into a
    /// `T`.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<T, RequestError> {
        let operation = request.operation();
        let body = self.send(request).await?;
        serde_json::from_slice(&body).map_err(|error| malformed(operation, error))
    }

    /// Sends a request to the pinned node of a poll. If no node is pinned, sends the request to one
    /// node after the other until a node responds. Returns the response, and the position of the
    /// node that sent the response.
    async fn exchange(
        &self,
        pinned: &PinnedNode,
        request: &Request,
    ) -> Result<(usize, Response), RequestError> {
        let order = match pinned.index() {
            Some(node) => vec![node],
            None => self.nodes.order(Instant::now()),
        };
        let mut refusals = Vec::new();
        let mut last_error = None;
        for node in order {
            let attempt = self.nodes.attempt(node);
            let failure = match self.attempt(node, request, self.request_timeout).await {
                Ok(response) if may_be_of_one_node(response.status) => {
                    attempt.refused();
                    refusals.push((node, response));
                    continue;
                }
                Ok(response) if !is_overloaded(response.status) => {
                    attempt.succeeded();
                    self.mark_as_failed(&refusals);
                    pinned.pin(node);
                    return Ok((node, response));
                }
                Ok(response) => error_response::failure(&response, self.to_check),
                // After a response that is too large, the client does not try another node, because
                // every node would send a body of the same size.
                Err(failure @ RequestFailure::TooLarge { .. }) => {
                    attempt.succeeded();
                    return Err(self.error(request, node, failure));
                }
                Err(failure) => failure,
            };
            drop(attempt);
            let error = self.error(request, node, failure);
            debug!(error = chain(&error), "a node did not respond");
            last_error = Some(error);
        }
        if let Some(node) = pinned.index() {
            self.nodes.prefer_another(node);
        }
        if let Some((node, response)) = refusals.into_iter().next() {
            pinned.pin(node);
            return Ok((node, response));
        }
        // `last_error` is always set here, because the client has tried at least one node.
        let none = RequestFailure::Timeout(self.request_timeout);
        Err(last_error.unwrap_or_else(|| RequestError::new(request.operation(), none)))
    }

    /// Marks the nodes in `refusals` as failed, because another node has served the request that
    /// they refused.
    fn mark_as_failed(&self, refusals: &[(usize, Response)]) {
        for (node, _) in refusals {
            self.nodes.failed(*node, Instant::now());
        }
    }

    /// Sends a request to one node, and returns an error if no response is complete within `limit`.
    async fn attempt(
        &self,
        node: usize,
        request: &Request,
        limit: Duration,
    ) -> Result<Response, RequestFailure> {
        self.traffic.requests.fetch_add(1, Ordering::Relaxed);
        let response = tokio::time::timeout(limit, self.transport.send(node, request, limit))
            .await
            .unwrap_or(Err(RequestFailure::Timeout(limit)))?;
        let bytes = response.body.len() as u64;
        self.traffic
            .bytes_received
            .fetch_add(bytes, Ordering::Relaxed);
        debug!(operation = %request.operation(), status = response.status, bytes, "a node responded");
        Ok(response)
    }

    fn error(&self, request: &Request, node: usize, failure: RequestFailure) -> RequestError {
        RequestError::new(request.operation(), failure)
            .on_node(self.nodes.url(node))
            .through_proxy(self.transport.proxy(node).map(str::to_owned))
    }
}

/// Returns true if the HTTP status says that the node is overloaded or has no contact with its
/// cluster. Another node may serve a request that an overloaded node has refused.
fn is_overloaded(status: u16) -> bool {
    matches!(status, 429 | 502..=504)
}

/// Returns true if the HTTP status may be caused by a single node. For example, the node's security
/// index or its disk may be damaged, or a proxy in front of the node may have refused the request.
fn may_be_of_one_node(status: u16) -> bool {
    matches!(status, 401 | 403 | 500)
}

/// Creates the error for a response that has status 2xx, but a body of an unexpected format.
pub(crate) fn malformed(
    operation: String,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> RequestError {
    RequestError::new(operation, RequestFailure::Malformed(error.into()))
}
