//! A minimal HTTP client for the load test, which needs a client that uses much less processor time
//! than the proxy.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A request to send through the proxy, with the properties that a directive can target, and the
/// body of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) tenant: Option<&'a str>,
    pub(crate) principal: &'a str,
    pub(crate) body: &'a str,
}

/// The response of the proxy to one request, with the id that the proxy assigned to the request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The id that the proxy assigned to the request. The proxy's spans and its break-glass tape
    /// contain the same id.
    pub(crate) request_id: String,
    pub(crate) body: Bytes,
}

pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        stream.set_nodelay(true).expect("a TCP stream");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        Self {
            sender,
            host: address.to_string(),
        }
    }

    pub(crate) async fn send(&mut self, call: Call<'_>) -> Answer {
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header("host", &self.host)
            .header("authorization", format!("Bearer {}", call.principal))
            .header("content-type", "application/json");
        if let Some(tenant) = call.tenant {
            request = request.header("x-tenant", tenant);
        }
        let request = request
            .body(Full::new(Bytes::copy_from_slice(call.body.as_bytes())))
            .expect("a request");
        self.sender.ready().await.expect("the connection is open");
        let answer = self.sender.send_request(request).await.expect("an answer");
        let request_id = answer
            .headers()
            .get("x-request-id")
            .and_then(|id| id.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        Answer {
            status: answer.status().as_u16(),
            request_id,
            body: answer
                .into_body()
                .collect()
                .await
                .expect("a whole body")
                .to_bytes(),
        }
    }
}
