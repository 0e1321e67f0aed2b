//! Talking to a cluster: one request, one bounded answer, on whichever node answers.
//!
//! Every request has a deadline and a cap on its answer's size. Nothing here knows
//! what a directive is.

mod client;
mod config;
mod config_error;
mod connect;
mod credentials;
mod error;
mod nodes;
mod opensearch;
mod transport;

pub use client::Client;
pub(crate) use client::{Exception, PinnedNode, malformed};
pub use config::ClusterConfig;
pub use config_error::{ConfigError, ConfigErrorKind};
pub use credentials::{Credentials, Tls};
pub use error::RequestFailure;
pub use error::{RequestError, RequestErrorKind, chain};
pub use nodes::{NodeState, NodeStatus};
pub(crate) use transport::segment;
pub use transport::{Method, Request, Response, Transport};
