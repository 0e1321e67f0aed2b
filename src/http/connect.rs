//! How long connecting to a node may take while there is another to ask.
//!
//! A host that is gone without a word (switched off, behind a firewall that drops) would
//! take all of a request's time, for the `opensearch` crate offers no time limit of
//! connecting: it makes its HTTP client itself, and its `TransportBuilder` has only the
//! one for a whole request. So a node that is not known to take connections is tried
//! first with a connection of our own, which is closed at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::select_ok;
use hyper_util::client::proxy::matcher::Matcher;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use url::Url;

use super::error::RequestFailure;

/// How long after an answer a node is asked without a try: less than the HTTP client
/// keeps a connection that is not used.
const KNOWN_FOR: Duration = Duration::from_mins(1);

/// Tries nodes before they are asked.
#[derive(Debug)]
pub(super) struct Connecting {
    limit: Duration,
    /// Of each node its address, `host:port`; `None` if it is asked without a try.
    addresses: Vec<Option<String>>,
    /// When each last answered, unless it has failed since.
    answered: Mutex<Vec<Option<Instant>>>,
}

impl Connecting {
    pub(super) fn new(urls: &[Url], limit: Duration) -> Self {
        // As the HTTP client finds them.
        let proxies = Matcher::from_system();
        let only = urls.len() == 1;
        let address = |url: &Url| {
            let through_proxy = proxies.intercept(&url.as_str().parse().ok()?).is_some();
            let (host, port) = (url.host_str()?, url.port_or_known_default()?);
            // A proxy connects for us, and says by itself if it cannot.
            (!only && !through_proxy).then(|| format!("{host}:{port}"))
        };
        Self {
            limit,
            addresses: urls.iter().map(address).collect(),
            answered: Mutex::new(vec![None; urls.len()]),
        }
    }

    /// Makes sure that a node takes connections, unless it did a moment ago.
    pub(super) async fn check(&self, place: usize) -> Result<(), RequestFailure> {
        let Some(Some(address)) = self.addresses.get(place) else {
            return Ok(());
        };
        let answered = self.answered().get(place).copied().flatten();
        if answered.is_some_and(|at| at.elapsed() < KNOWN_FOR) {
            return Ok(());
        }
        match timeout(self.limit, connect(address)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(RequestFailure::Connection(error.into())),
            Err(_) => Err(RequestFailure::NoConnection(self.limit)),
        }
    }

    /// Notes whether a node answered.
    pub(super) fn note(&self, place: usize, answered: bool) {
        if let Some(at) = self.answered().get_mut(place) {
            *at = answered.then(Instant::now);
        }
    }

    fn answered(&self) -> MutexGuard<'_, Vec<Option<Instant>>> {
        // No step under the lock leaves it half changed.
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether any of the addresses of a name takes a connection.
async fn connect(address: &str) -> std::io::Result<()> {
    let addresses: Vec<_> = lookup_host(address).await?.collect();
    if addresses.is_empty() {
        return Err(std::io::Error::other("the name has no address"));
    }
    let all = addresses
        .into_iter()
        .map(|address| TcpStream::connect(address).boxed());
    select_ok(all).await.map(drop)
}
