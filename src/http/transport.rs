//! The trait for sending one request to one node. It separates the client from the network, so that
//! tests can replace the network.
//!
//! `reqwest_transport.rs` implements the trait for real connections. The simulation has its own
//! implementation.

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

/// A request. Its path is percent-encoded.
#[derive(Clone, Debug)]
#[must_use]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<Bytes>,
    /// The headers in addition to those that every request has.
    pub headers: Vec<(&'static str, String)>,
}

impl Request {
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            headers: Vec::new(),
        }
    }

    pub fn query(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.query.push((key, value.into()));
        self
    }

    pub fn json(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets a body with another content type than JSON.
    pub fn body(self, content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        self.header("content-type", content_type).json(body)
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Returns the name of the request for errors and logs.
    pub fn operation(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Percent-encodes one segment of a path, such as an index or an id.
pub(crate) fn segment(text: &str) -> String {
    // The parser encodes a segment only as a part of a complete URL.
    let Ok(mut url) = url::Url::parse("http://h/") else {
        return String::new();
    };
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(text);
    }
    url.path()[1..].to_owned()
}

/// A node's response, with any status.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub content_type: Option<String>,
    pub body: Bytes,
}

/// Sends one request to one node. An implementation may ignore the time limit, because the client
/// enforces it.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends a request to the node at this position in the configured list.
    fn send<'a>(
        &'a self,
        node: usize,
        request: &'a Request,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>>;

    /// Returns the proxy through which a node is accessed, without user name and password.
    fn proxy(&self, _node: usize) -> Option<&str> {
        None
    }

    /// Returns how often credentials or certificates were reloaded, and how often a reload failed.
    fn credential_reloads(&self) -> (u64, u64) {
        (0, 0)
    }

    /// Requests that credentials and certificates are read again before the next request.
    fn reload_credentials(&self) {}
}

/// The transport of a store whose source sends no requests through a client.
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
