//! What the tests share: a real node, a way to ask it, and waiting on conditions.

pub(crate) mod agent;
pub(crate) mod command;
pub(crate) mod eventually;
pub(crate) mod http;
pub(crate) mod node;

/// An instant so many hours from now, RFC 3339.
pub(crate) fn in_hours(hours: i64) -> String {
    let now = opensearch_directives::Clock::now(&opensearch_directives::SystemClock);
    (now + jiff::SignedDuration::from_hours(hours)).to_string()
}
