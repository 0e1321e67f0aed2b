//! An HTTP client for the nodes of one cluster. The client sends each request to one of the nodes
//! and returns the node's response.
//!
//! Each request has a time limit, and each response has a size limit. Nothing in the HTTP client is
//! specific to directives.

mod authorization;
#[cfg(feature = "aws-sigv4")]
mod aws_sigv4;
mod body;
mod bulk_response;
mod client;
mod config;
mod config_error;
mod credential_reload;
mod credentials;
mod error;
mod error_response;
mod forward_proxy;
mod nodes;
mod reqwest_transport;
#[cfg(test)]
pub(crate) mod scripted_transport;
mod secret;
mod tls;
mod transport;

pub(crate) use bulk_response::{ActionStatus, BULK_BYTES, BulkResponse};
pub use client::Client;
pub(crate) use client::{PinnedNode, malformed};
pub use config::ClusterConfig;
pub use config_error::{ConfigError, ConfigErrorKind};
pub use credentials::{Credentials, CredentialsProvider};
pub use error::RequestFailure;
pub use error::{RequestError, RequestErrorKind, chain};
pub(crate) use error_response::Exception;
pub use nodes::{NodeState, NodeStatus};
pub use secret::Secret;
pub use tls::Tls;
pub use transport::{Method, Request, Response, Transport};
pub(crate) use transport::{NoTransport, segment};

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::clock::{Clock as _, SystemClock};

/// Returns the system time in whole seconds, for AWS signatures and `Retry-After` dates.
fn wall_clock() -> SystemTime {
    let seconds = SystemClock.now().as_second();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap_or_default())
}

/// Locks a mutex, even if another thread panicked while it held the lock. Ignoring the other
/// thread's panic is safe, because no code in `src/http` can panic while a locked value is only
/// partly changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
