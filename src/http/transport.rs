//! Defines the trait through which the client sends one request to one node. The `Transport` trait
//! separates the client from the network, so that tests can replace the network.
//!
//! `reqwest_transport.rs` implements `Transport` with real network connections. The simulation
//! implements `Transport` with simulated nodes.

#![allow(
    missing_docs,
    reason = "internal: public only to the crates of this project"
)]

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::error::RequestFailure;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    Get,
    Put,
    Post,
    Delete,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        })
    }
}

/// An HTTP request with a percent-encoded path.
#[derive(Clone, Debug)]
#[must_use]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<Bytes>,
    /// The headers of this request, in addition to those that the client sends with every request.
    pub headers: Vec<(&'static str, String)>,
    /// If true, the caller expects a small response, so the client applies a lower size limit to
    /// the response.
    pub has_small_response: bool,
}

impl Request {
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            headers: Vec::new(),
            has_small_response: false,
        }
    }

    /// Makes the client apply a lower size limit to the response. Many small values in a response
    /// need several times the size of the response in memory once they are parsed. Without a lower
    /// size limit for small responses, a malicious cluster could exhaust the memory of a proxy.
    pub fn with_small_response(mut self) -> Self {
        self.has_small_response = true;
        self
    }

    pub fn query(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.query.push((key, value.into()));
        self
    }

    pub fn json(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets a request body whose content type is not JSON.
    pub fn body(self, content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        self.header("content-type", content_type).json(body)
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Returns the method and the path of the request, as `METHOD /path`, for errors and logs.
    pub fn operation(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Percent-encodes one segment of a URL path, such as an index name or a document id.
pub(crate) fn segment(text: &str) -> String {
    // `Url` can encode a path segment only as a part of a complete URL.
    let Ok(mut url) = url::Url::parse("http://h/") else {
        return String::new();
    };
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(text);
    }
    url.path()[1..].to_owned()
}

/// The HTTP response of a node, with any status.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub content_type: Option<String>,
    pub body: Bytes,
}

/// Sends each HTTP request of a client to the node that the client has selected. An implementation
/// of `Transport` does not need to enforce the time limit of a request, because the client does.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends a request to the node at position `node` of the configured list.
    fn send<'a>(
        &'a self,
        node: usize,
        request: &'a Request,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>>;

    /// Returns the address of the proxy through which the transport connects to a node, without
    /// user name and password.
    fn proxy(&self, _node: usize) -> Option<&str> {
        None
    }

    /// Returns how many reloads of credentials or certificates have succeeded, and how many have
    /// failed.
    fn credential_reloads(&self) -> (u64, u64) {
        (0, 0)
    }

    /// Makes the transport reload its credentials and certificates before the next request.
    fn reload_credentials(&self) {}
}

/// The transport of a store that reads no cluster, because the application implements the store's
/// source. Every request through a `NoTransport` fails.
#[derive(Debug)]
pub(crate) struct NoTransport;

impl Transport for NoTransport {
    fn send<'a>(
        &'a self,
        _node: usize,
        _request: &'a Request,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        let failure = RequestFailure::Connection("this store has no cluster".into());
        Box::pin(std::future::ready(Err(failure)))
    }
}
