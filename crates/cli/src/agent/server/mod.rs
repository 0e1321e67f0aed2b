//! Accepts connections on TCP addresses and Unix sockets. Also limits the number of open
//! connections, and the time within which a client must send a request and read its response.

mod address;
mod connection_limit;
mod connection_properties;
mod listeners;
mod send_limit;
mod serve;
#[cfg(unix)]
mod unix_socket;

pub(in super::super) use address::Address;
pub(super) use connection_limit::Connections;
pub(super) use connection_properties::Peer;
pub(super) use listeners::{ListenArgs, Listener, Listeners, bind_health};
pub(super) use serve::{TlsReceiver, serve};
