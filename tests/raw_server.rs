//! A TCP server that sends scripted bytes, so that tests can use responses that no HTTP library
//! would send.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const SETTINGS: &str =
    r#"{"directives":{"settings":{"index.uuid":"u","index.number_of_shards":"1"}}}"#;
const SEARCH: &str = r#"{"timed_out":false,"_shards":{"total":1,"successful":1,"failed":0},
    "hits":{"total":{"value":0,"relation":"eq"}}}"#;

/// The text of one request that the server received, from which a test derives the reply.
pub(crate) struct Received {
    /// The number of requests that the server received before this request on the same connection.
    pub(crate) before: usize,
    pub(crate) text: String,
}

impl Received {
    /// Returns the body of the response that a cluster with an empty index would send to this
    /// request.
    pub(crate) fn empty_index(&self) -> &'static str {
        if self.text.starts_with("GET") {
            SETTINGS
        } else {
            SEARCH
        }
    }
}

/// The server's reaction to one request on a connection.
pub(crate) enum Reply {
    /// The server sends these bytes as its response.
    Bytes(Vec<u8>),
    /// The server sends the string once, and then repeats the bytes until the client closes the
    /// connection.
    Endless(&'static str, Vec<u8>),
    /// The server closes the connection without a response.
    Close,
}

/// Returns a response with status 200, the given headers and the given body.
pub(crate) fn ok(headers: &str, body: &[u8]) -> Reply {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    Reply::Bytes([head.as_bytes(), body].concat())
}

pub(crate) struct RawServer {
    pub(crate) url: String,
    connections: Arc<AtomicUsize>,
    received: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl RawServer {
    pub(crate) async fn start(reply: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let received = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn({
            let (connections, received) = (connections.clone(), received.clone());
            let reply = Arc::new(reply);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    connections.fetch_add(1, Ordering::SeqCst);
                    let (reply, received) = (reply.clone(), received.clone());
                    tokio::spawn(async move { serve(stream, &*reply, &received).await });
                }
            }
        });
        Self {
            url,
            connections,
            received,
            task,
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    reply: &(impl Fn(&Received) -> Reply + Send + Sync),
    received: &Mutex<Vec<String>>,
) {
    for before in 0.. {
        let mut request = vec![0; 16 << 10];
        let Ok(read @ 1..) = stream.read(&mut request).await else {
            return;
        };
        let text = String::from_utf8_lossy(&request[..read]).into_owned();
        received.lock().unwrap().push(text.clone());
        match reply(&Received { before, text }) {
            Reply::Bytes(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Endless(head, more) => {
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(&more).await.is_ok() {}
                return;
            }
            Reply::Close => return,
        }
    }
}
