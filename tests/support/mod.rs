//! What the tests share: a real node, a way to ask it, and waiting on conditions.

pub(crate) mod agent;
pub(crate) mod cluster;
pub(crate) mod command;
pub(crate) mod eventually;
pub(crate) mod http;
pub(crate) mod launch;
pub(crate) mod ledger;
pub(crate) mod node;
pub(crate) mod proxy;
pub(crate) mod witness;
pub(crate) mod writers;

/// An instant so many hours from now, RFC 3339.
pub(crate) fn in_hours(hours: i64) -> String {
    let now = opensearch_directives::Clock::now(&opensearch_directives::SystemClock);
    (now + jiff::SignedDuration::from_hours(hours)).to_string()
}
