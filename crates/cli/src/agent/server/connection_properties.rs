//! The facts that the agent knows about a connection before its first request: whether the client
//! uses a Unix socket, and whether the connection is reserved for health checks.

/// The facts that the agent knows about a connection before its first request. The agent attaches
/// the facts about a connection to each request on this connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Peer {
    /// Whether the client uses a Unix socket, so that the mode of the socket file has already
    /// permitted the client.
    pub(in super::super) is_unix: bool,
    /// Whether the connection occupies a slot that is reserved for health checks.
    pub(in super::super) health_only: bool,
}
