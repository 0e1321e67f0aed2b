//! The properties of a connection that the agent knows before the first request: whether the client
//! uses a Unix socket, and whether the connection is reserved for health checks.

/// The properties of a connection that the agent knows before the first request. The agent attaches
/// these properties to each request on the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Peer {
    /// The client uses a Unix socket, so the mode of the socket file permits this client.
    pub(in super::super) is_unix: bool,
    /// The connection uses a slot that is reserved for health checks.
    pub(in super::super) health_only: bool,
}
