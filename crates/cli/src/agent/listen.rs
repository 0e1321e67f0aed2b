//! Where the agent serves: TCP addresses and Unix sockets.

use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_io_timeout::TimeoutStream;

use super::super::exit::Failure;
#[cfg(unix)]
use super::unix_socket::SocketFile;

/// How long a client may leave a part of an answer unread.
const UNREAD_AT_MOST: Duration = Duration::from_secs(30);

/// Where and whom to serve.
#[derive(Debug, Args)]
#[command(next_help_heading = "Serving")]
pub(super) struct ListenArgs {
    /// Where to serve: an address (port 0 takes a free one), or unix: and the path of a
    /// socket; several with commas, or the flag several times
    #[arg(
        long,
        value_name = "ADDRESS",
        value_delimiter = ',',
        default_value = "127.0.0.1:9980"
    )]
    listen: Vec<Address>,

    /// The mode of a Unix socket's file: 600 is for this user, 660 for its group, too
    #[cfg(unix)]
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = super::unix_socket::mode)]
    socket_mode: u32,

    /// How many clients may wait for a change at a time; more are refused. Each takes an
    /// open file, of which the system may allow few (ulimit -n)
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub(super) max_waiting: u16,
}

impl ListenArgs {
    /// Binds all of them, or says which cannot be.
    pub(super) async fn bind(&self) -> Result<Vec<Listener>, Failure> {
        let mut listeners = Vec::new();
        for address in &self.listen {
            let bound = match address {
                Address::Tcp(address) => TcpListener::bind(address).await.map(Listener::Tcp),
                #[cfg(unix)]
                Address::Unix(path) => SocketFile::bind(path, self.socket_mode).map(Listener::Unix),
            };
            let cannot = |error| Failure::other(format!("cannot listen on {address}: {error}"));
            listeners.push(bound.map_err(cannot)?);
        }
        Ok(listeners)
    }
}

/// Where to listen.
#[derive(Clone, Debug)]
enum Address {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        #[cfg(unix)]
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err("it names no file; write unix: and a path".to_owned());
            }
            return Ok(Self::Unix(path.into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            "it is not an address; write one such as 127.0.0.1:9980, or unix: and a path".to_owned()
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A place that takes connections.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(SocketFile),
}

/// A connection's bytes. Writing fails when the client reads nothing for too long.
pub(super) type Stream = Pin<Box<TimeoutStream<Box<dyn Duplex>>>>;

/// Reads and writes.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        let stream: Box<dyn Duplex> = match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            #[cfg(unix)]
            Self::Unix(file) => Box::new(file.accept().await?),
        };
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(UNREAD_AT_MOST));
        Ok(Box::pin(stream))
    }

    /// As it is said to whoever started the agent.
    pub(super) fn url(&self) -> io::Result<String> {
        Ok(match self {
            Self::Tcp(listener) => format!("http://{}", listener.local_addr()?),
            #[cfg(unix)]
            Self::Unix(file) => format!("unix:{}", file.path().display()),
        })
    }
}
