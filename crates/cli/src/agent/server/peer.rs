//! What is known of a connection before its first request.

/// Attached to each request of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Peer {
    /// The connection came over a Unix socket, whose file mode has admitted it.
    pub(in super::super) is_unix: bool,
    /// The connection uses a slot that is reserved for health checks.
    pub(in super::super) health_only: bool,
}
