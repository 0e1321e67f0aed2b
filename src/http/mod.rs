//! Talking to a cluster: one request, one bounded answer, on whichever node answers.
//!
//! Every request has a deadline and a cap on its answer's size. Nothing here knows
//! what a directive is.

mod client;
mod config;
mod connect;
mod credentials;
mod error;
mod nodes;
mod opensearch;
mod transport;

pub use client::Client;
pub(crate) use client::{Exception, OneNode, malformed};
pub use config::{ClusterConfig, ConfigError};
pub use credentials::{Credentials, Tls};
pub use error::{RequestError, RequestErrorKind, chain};
pub use nodes::{NodeState, NodeStatus};
#[cfg(test)]
pub(crate) use transport::{Answer, Transport};
pub(crate) use transport::{Method, Request, segment};
