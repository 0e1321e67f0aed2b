//! Defines the flags for the addresses on which the agent listens, and binds TCP ports and Unix
//! sockets to these addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::Args;
use tokio::net::TcpListener;

use super::super::super::exit::Failure;
use super::super::access::AccessArgs;
use super::address::Address;
use super::send_limit::Stream;
#[cfg(unix)]
use super::unix_socket::SocketFile;

#[derive(Debug, Args)]
#[command(next_help_heading = "Serving")]
pub(in super::super) struct ListenArgs {
    /// Address of the API: HOST:PORT, :PORT for all interfaces, or unix: and the path of a socket.
    /// Port 0 selects a free port. Separate several addresses by commas, or repeat the flag
    #[arg(
        long,
        value_name = "ADDRESS",
        value_delimiter = ',',
        default_value = "127.0.0.1:9980"
    )]
    listen: Vec<Address>,

    /// Address of a second listener that serves only /healthz, /readyz and /metrics, for probes and
    /// Prometheus; other hosts may reach it
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    health_listen: Vec<Address>,

    /// Mode of the files of Unix sockets: 600 admits this user, and 660 also its group
    #[cfg(unix)]
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = super::unix_socket::mode)]
    socket_mode: u32,

    /// Number of clients that may wait for a change at the same time; further ones are refused.
    /// Each client needs an open file, and the system limits the number of open files (ulimit -n)
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub(in super::super) max_waiting: u16,
}

/// The bound listeners, for the API and for health checks.
#[derive(Debug)]
pub(in super::super) struct Listeners {
    pub(in super::super) api: Vec<Listener>,
    pub(in super::super) health: Vec<Listener>,
}

impl ListenArgs {
    /// Binds a listener to each address that the flags name. Returns an error if other hosts could
    /// reach the API without authentication, unless the flags permit this.
    pub(in super::super) async fn bind(&self, access: &AccessArgs) -> Result<Listeners, Failure> {
        #[cfg(unix)]
        let socket_mode = self.socket_mode;
        #[cfg(not(unix))]
        let socket_mode = 0;
        Ok(Listeners {
            api: bind_all(&self.listen, Some(access), socket_mode).await?,
            health: bind_all(&self.health_listen, None, socket_mode).await?,
        })
    }
}

/// Binds a listener to each address for health checks and metrics. If the address is a Unix socket,
/// only the user who runs the process may connect.
pub(in super::super) async fn bind_health(addresses: &[Address]) -> Result<Vec<Listener>, Failure> {
    bind_all(addresses, None, 0o600).await
}

async fn bind_all(
    addresses: &[Address],
    access: Option<&AccessArgs>,
    #[cfg_attr(not(unix), expect(unused_variables, reason = "for Unix sockets"))] socket_mode: u32,
) -> Result<Vec<Listener>, Failure> {
    let mut listeners = Vec::new();
    for address in addresses {
        let cannot = |error| Failure::other(format!("cannot listen on {address}: {error}"));
        listeners.push(match address {
            Address::Tcp { host, port } => {
                let resolved = resolve(host, *port).await.map_err(cannot)?;
                if let Some(access) = access.filter(|_| !resolved.ip().is_loopback()) {
                    access.check_beyond_this_host(address)?;
                }
                Listener::Tcp(bind_tcp(resolved).await.map_err(cannot)?)
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                Listener::Unix(SocketFile::bind(path, socket_mode).map_err(cannot)?)
            }
        });
    }
    Ok(listeners)
}

/// Resolves a host name to the address on which the agent listens. If the host has both IPv4 and
/// IPv6 addresses, returns an IPv4 address, because a client that cannot connect by IPv6 then tries
/// IPv4.
async fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    if host.is_empty() {
        return Ok((IpAddr::from(Ipv6Addr::UNSPECIFIED), port).into());
    }
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first())
        .copied()
        .ok_or_else(|| io::Error::other("the host name has no address"))
}

async fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        // On a host without IPv6, the agent listens on the IPv4 address for all network interfaces
        // instead of the IPv6 address for all network interfaces.
        Err(error)
            if address.ip() == IpAddr::from(Ipv6Addr::UNSPECIFIED)
                && error.kind() != io::ErrorKind::AddrInUse =>
        {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

/// A TCP port or a Unix socket on which the agent listens.
#[derive(Debug)]
pub(in super::super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(SocketFile),
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(listener) => Stream::new(listener.accept().await?.0),
            #[cfg(unix)]
            Self::Unix(file) => Stream::new(file.accept().await?),
        })
    }

    pub(super) fn is_unix(&self) -> bool {
        !matches!(self, Self::Tcp(_))
    }

    /// Returns the URL with which a client can reach the listener.
    pub(in super::super) fn url(&self, tls: bool) -> io::Result<String> {
        Ok(match self {
            Self::Tcp(listener) => {
                let scheme = if tls { "https" } else { "http" };
                format!("{scheme}://{}", listener.local_addr()?)
            }
            #[cfg(unix)]
            Self::Unix(file) => format!("unix:{}", file.path().display()),
        })
    }
}
