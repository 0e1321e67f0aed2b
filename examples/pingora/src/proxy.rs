//! Implements a Pingora proxy that assigns an id to each request, refuses requests for the
//! directives index, evaluates the directives, and records the data that the directives request.
//! Pingora itself forwards and streams requests and responses, and removes hop-by-hop headers.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use example_proxy::{
    FORBIDDEN_BODY, Recorder, Recording, Settings, X_REQUEST_ID, ensure_request_id, is_protected,
};
use opensearch_directives::tower::Evaluator;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::{HttpPeer, ProxyHttp, Session};
use pingora::{Error, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Proxy {
    authority: String,
    address: SocketAddr,
    index: String,
    evaluator: Evaluator,
    recorder: Arc<Recorder>,
}

/// The state of one request, which contains a recording if a directive applies to the request.
#[derive(Default)]
pub(crate) struct Context {
    recording: Option<Recording>,
}

impl Proxy {
    /// Creates the proxy, and resolves the host name of the OpenSearch node once, so that no
    /// request waits for a name lookup.
    pub(crate) fn new(
        settings: &Settings,
        evaluator: Evaluator,
        recorder: Arc<Recorder>,
    ) -> io::Result<Self> {
        let authority = settings.authority();
        let mut addresses = authority.to_socket_addrs()?;
        let unknown = || io::Error::other(format!("{authority} has no address"));
        Ok(Self {
            address: addresses.next().ok_or_else(unknown)?,
            authority,
            index: settings.index.clone(),
            evaluator,
            recorder,
        })
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::default()
    }

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        let id = ensure_request_id(&session.req_header().headers);
        session.req_header_mut().insert_header(X_REQUEST_ID, id)?;
        let request = session.req_header();
        if is_protected(request.uri.path(), &self.index) {
            forbid(session).await?;
            return Ok(true);
        }
        context.recording = self
            .evaluator
            .evaluate(request)
            .map(|applied| self.recorder.start(&applied, request));
        Ok(false)
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut Context) -> Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(self.address, false, String::new());
        peer.options.connection_timeout = Some(CONNECT_TIMEOUT);
        Ok(Box::new(peer))
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        context: &mut Context,
    ) -> Result<()> {
        if let (Some(recording), Some(data)) = (&context.recording, body) {
            recording.request_data(data);
        }
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        request.insert_header("host", &self.authority)?;
        if let Some(recording) = &context.recording {
            recording.rewritten(&session.req_header().headers, &request.headers);
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        if let Some(id) = session.req_header().headers.get(X_REQUEST_ID) {
            response.insert_header(X_REQUEST_ID, id.clone())?;
        }
        if let Some(recording) = &context.recording {
            recording.responded(response.status);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        context: &mut Context,
    ) -> Result<Option<Duration>> {
        if let (Some(recording), Some(data)) = (&context.recording, body) {
            recording.response_data(data);
        }
        Ok(None)
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        // The proxy records the status of a failed request in this function, because Pingora sends
        // the error response itself and does not call `response_filter`.
        if let (Some(recording), Some(_)) = (&context.recording, error)
            && let Some(response) = session.response_written()
        {
            recording.responded(response.status);
        }
        // The recorder writes the record when the proxy drops its recording of the request.
        context.recording = None;
    }
}

/// Responds to a request for the directives index with status 403.
async fn forbid(session: &mut Session) -> Result<()> {
    let mut response = ResponseHeader::build(403, Some(3))?;
    response.insert_header("content-type", "application/json")?;
    response.insert_header("content-length", FORBIDDEN_BODY.len())?;
    if let Some(id) = session.req_header().headers.get(X_REQUEST_ID) {
        response.insert_header(X_REQUEST_ID, id.clone())?;
    }
    session
        .write_response_header(Box::new(response), false)
        .await?;
    session
        .write_response_body(Some(Bytes::from_static(FORBIDDEN_BODY.as_bytes())), true)
        .await
}
