//! A TCP proxy that delays, truncates or withholds a node's responses, to simulate network faults.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

/// The network fault that the proxy simulates in the responses of the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    None,
    /// The proxy delays each part of a response by the given duration.
    Delay(Duration),
    /// The proxy forwards responses byte by byte, with the given pause between the bytes.
    Drip(Duration),
    /// The proxy closes the connection normally after it has forwarded the given number of bytes of
    /// the response.
    Cut(usize),
    /// The proxy resets the connection after it has forwarded the given number of bytes of the
    /// response.
    Reset(usize),
    /// The proxy forwards requests to the node, but never forwards a response to the client.
    BlackHole,
}

/// A TCP proxy in front of a node, which ends when the `Proxy` is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    forwarded: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy, without a fault, in front of the node at the given URL.
    pub async fn before(node: &str) -> Self {
        let node: Url = node.parse().unwrap();
        let node = node.socket_addrs(|| None).unwrap()[0];
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (fault, faults) = watch::channel(Fault::None);
        let forwarded = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&forwarded);
        let task = tokio::spawn(async move {
            // The tasks of all connections end together with the proxy, because a `JoinSet` aborts
            // its tasks when it is dropped.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let (faults, forwarded_requests) = (faults.clone(), Arc::clone(&counter));
                // The proxy ignores errors on a connection, because the client under test must
                // handle these errors.
                connections.spawn(async move {
                    drop(relay(client, node, faults, &forwarded_requests).await);
                });
            }
        });
        Self {
            address,
            fault,
            forwarded,
            task,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes the proxy apply a fault to all later responses, including those on connections that
    /// are already open.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Returns how often the proxy has forwarded a part of a request to the node.
    pub fn forwarded(&self) -> u64 {
        self.forwarded.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(
    client: TcpStream,
    node: SocketAddr,
    faults: watch::Receiver<Fault>,
    forwarded: &AtomicU64,
) -> io::Result<()> {
    let upstream = TcpStream::connect(node).await?;
    client.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_node, to_node) = upstream.into_split();
    // The proxy closes both directions of a connection when one direction ends.
    tokio::select! {
        ended = requests(from_client, to_node, forwarded) => ended,
        ended = responses(from_node, to_client, faults) => ended,
    }
}

async fn requests(
    mut from_client: OwnedReadHalf,
    mut to_node: OwnedWriteHalf,
    forwarded: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from_client.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        forwarded.fetch_add(1, Ordering::Relaxed);
        to_node.write_all(&buffer[..read]).await?;
    }
}

async fn responses(
    mut from_node: OwnedReadHalf,
    mut to_client: OwnedWriteHalf,
    faults: watch::Receiver<Fault>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from_node.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        let response = &buffer[..read];
        let fault = *faults.borrow();
        match fault {
            Fault::None => to_client.write_all(response).await?,
            Fault::Delay(pause) => {
                tokio::time::sleep(pause).await;
                to_client.write_all(response).await?;
            }
            Fault::Drip(pause) => {
                for byte in response {
                    to_client.write_all(&[*byte]).await?;
                    tokio::time::sleep(pause).await;
                }
            }
            Fault::Cut(bytes) => {
                to_client.write_all(&response[..bytes.min(read)]).await?;
                return to_client.shutdown().await;
            }
            Fault::Reset(bytes) => {
                to_client.write_all(&response[..bytes.min(read)]).await?;
                #[expect(deprecated, reason = "nothing is left to wait for: it is a reset")]
                to_client.as_ref().set_linger(Some(Duration::ZERO))?;
                // The call of `forget` releases the write half of the connection without a normal
                // close, so that the drop of the read half resets the connection.
                to_client.forget();
                return Ok(());
            }
            Fault::BlackHole => {}
        }
    }
}
