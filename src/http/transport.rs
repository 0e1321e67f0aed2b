//! The seam below which there is a network: one request to one node, one answer.
//!
//! The real one is in `opensearch.rs`; simulations put their own behind it.

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

/// One request. The path's parts are percent-encoded by [`Request::new`]'s caller
/// through [`segment`].
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<Bytes>,
    /// Besides those that every request has.
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

    /// A body of another type.
    pub fn body(self, content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        self.header("content-type", content_type).json(body)
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// What errors and logs call it.
    pub fn operation(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// One part of a path (an index, an id), percent-encoded.
pub(crate) fn segment(text: &str) -> String {
    // A base url is needed to encode one part alone.
    let Ok(mut url) = url::Url::parse("http://h/") else {
        return String::new();
    };
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(text);
    }
    url.path()[1..].to_owned()
}

/// What a node answered, whatever its status.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub content_type: Option<String>,
    pub body: Bytes,
}

/// Sends one request to one node. Implementations need not keep the deadline (the
/// client does) and never retry.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends to the node of this place in the configured list.
    fn send<'a>(
        &'a self,
        node: usize,
        request: &'a Request,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>>;
}
