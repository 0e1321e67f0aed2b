//! Limits the number of open connections. When the limit is reached, selects an idle connection to
//! close.
//!
//! At the limit, a new connection replaces the connection that has been idle for the longest time.
//! Clients that open many connections without sending requests therefore cannot keep other clients
//! from connecting. A new connection does not replace a connection that was just accepted, because
//! its first request may be on its way. If no connection can be replaced, a few further connections
//! are admitted, but only for health checks. If the connections for health checks are in use, too,
//! even an idle connection that was just accepted can be replaced.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The number of connections above the limit that are admitted for health checks.
const HEALTH_RESERVE: usize = 16;
/// The time in which the client of a new connection should send its first request.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);

/// The open connections of one or several listeners.
#[derive(Clone, Debug)]
pub(in super::super) struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    open: Mutex<HashMap<u64, Entry>>,
    next_id: AtomicU64,
    /// Wakes waiting tasks whenever a connection ends or becomes idle.
    freed: Notify,
    count: Gauge,
    evicted: Counter,
}

#[derive(Debug)]
struct Entry {
    health_only: bool,
    has_had_request: bool,
    requests_under_way: usize,
    idle_since: Instant,
    evict: Arc<Notify>,
    is_evicted: bool,
}

impl Entry {
    fn is_idle(&self) -> bool {
        self.requests_under_way == 0 && !self.is_evicted
    }

    /// Returns true if the connection was notified that it must end, and has no request in progress
    /// that delays its end.
    fn is_ending(&self) -> bool {
        self.requests_under_way == 0 && self.is_evicted
    }

    /// Returns true if the connection was accepted so recently that its first request may still be
    /// on its way.
    fn is_new(&self) -> bool {
        !self.has_had_request && self.idle_since.elapsed() < FIRST_REQUEST_GRACE
    }
}

/// An admitted connection, which counts as open until this value is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    shared: Arc<Shared>,
    id: u64,
    evict: Arc<Notify>,
    /// Whether the connection was admitted from the reserve, so that it serves only health checks.
    pub(super) health_only: bool,
}

/// A request in progress. Until this value is dropped, the agent does not close the connection of
/// the request to make room for another connection.
#[derive(Debug)]
pub(super) struct UnderWay {
    shared: Arc<Shared>,
    id: u64,
}

impl Connections {
    pub(in super::super) fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            limit,
            open: Mutex::default(),
            next_id: AtomicU64::new(0),
            freed: Notify::new(),
            count: Gauge::default(),
            evicted: Counter::default(),
        }))
    }

    pub(in super::super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "directives_agent_connections",
            "Open connections to the API",
            self.0.count.clone(),
        );
        registry.register(
            "directives_agent_evicted_connections",
            "Idle connections that were closed in favour of new ones",
            self.0.evicted.clone(),
        );
    }

    /// Admits a new connection. If the limit and the reserve for health checks are exhausted, the
    /// function first waits until another connection has ended.
    pub(super) async fn admit(&self) -> Admitted {
        loop {
            // The waiter is created before the attempt, so that a notification between the attempt
            // and the wait is not lost.
            let freed = self.0.freed.notified();
            if let Some(admitted) = self.try_admit() {
                return admitted;
            }
            freed.await;
        }
    }

    fn try_admit(&self) -> Option<Admitted> {
        let mut open = self.0.open();
        if open.len() >= self.0.limit.saturating_add(HEALTH_RESERVE) {
            // If a connection is already ending, its slot is enough for the waiting connection, so
            // no other connection is closed.
            if !open.values().any(Entry::is_ending) {
                self.0.evict_longest_idle(&mut open, |_| true);
            }
            return None;
        }
        let in_use = open
            .values()
            .filter(|one| !one.health_only && !one.is_ending());
        let has_room = in_use.count() < self.0.limit
            || self
                .0
                .evict_longest_idle(&mut open, |one| !one.health_only && !one.is_new());
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let evict = Arc::new(Notify::new());
        open.insert(
            id,
            Entry {
                health_only: !has_room,
                has_had_request: false,
                requests_under_way: 0,
                idle_since: Instant::now(),
                evict: Arc::clone(&evict),
                is_evicted: false,
            },
        );
        self.0.count.inc();
        Some(Admitted {
            shared: Arc::clone(&self.0),
            id,
            evict,
            health_only: !has_room,
        })
    }

    /// Closes the connection that has been idle for the longest time. The accept loop calls this
    /// function after it failed to accept a connection, usually because no file descriptor was
    /// free.
    pub(super) fn shed(&self) {
        self.0.evict_longest_idle(&mut self.0.open(), |_| true);
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection that has been idle for the longest time among those that may be
    /// closed. Returns false if no such connection exists.
    fn evict_longest_idle(
        &self,
        open: &mut HashMap<u64, Entry>,
        may_be_closed: impl Fn(&Entry) -> bool,
    ) -> bool {
        let longest_idle = open
            .values_mut()
            .filter(|one| one.is_idle() && may_be_closed(one))
            .min_by_key(|one| one.idle_since);
        let Some(entry) = longest_idle else {
            return false;
        };
        entry.is_evicted = true;
        entry.evict.notify_one();
        self.evicted.inc();
        true
    }
}

impl Admitted {
    /// Completes when this connection must be closed to make room for another connection.
    pub(super) async fn evicted(&self) {
        self.evict.notified().await;
    }

    /// Marks the beginning of a request on this connection.
    pub(super) fn begin_request(&self) -> UnderWay {
        if let Some(entry) = self.shared.open().get_mut(&self.id) {
            entry.requests_under_way += 1;
            entry.has_had_request = true;
            if entry.is_evicted {
                // This connection was selected to make room, but now ends only after its new
                // request. `notify_waiters` therefore wakes the waiting tasks, which then select
                // another connection to close.
                self.shared.freed.notify_waiters();
            }
        }
        UnderWay {
            shared: Arc::clone(&self.shared),
            id: self.id,
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(entry) = self.shared.open().get_mut(&self.id) {
            entry.requests_under_way = entry.requests_under_way.saturating_sub(1);
            entry.idle_since = Instant::now();
        }
        self.shared.freed.notify_waiters();
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.shared.open().remove(&self.id);
        self.shared.count.dec();
        self.shared.freed.notify_waiters();
    }
}

#[cfg(test)]
#[path = "connection_limit_tests.rs"]
mod tests;
