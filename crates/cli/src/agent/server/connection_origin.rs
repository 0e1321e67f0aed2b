//! The properties of a connection that are known before its first request: whether it came over a
//! Unix socket, and whether it may only be used for health checks.

/// Attached to each request of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Peer {
    /// The connection came over a Unix socket, whose file mode has admitted it.
    pub(in super::super) is_unix: bool,
    /// The connection uses a slot that is reserved for health checks.
    pub(in super::super) health_only: bool,
}
