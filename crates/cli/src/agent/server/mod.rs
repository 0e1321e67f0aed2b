//! Accepts connections on TCP addresses and Unix sockets within bounds on their number and
//! on the time that a client may take.

mod address;
mod connections;
mod listen;
mod peer_info;
mod serve;
#[cfg(unix)]
mod unix_socket;

pub(in super::super) use address::Address;
pub(super) use connections::Connections;
pub(super) use listen::{ListenArgs, Listeners};
pub(super) use peer_info::Peer;
pub(super) use serve::{TlsReceiver, serve};
