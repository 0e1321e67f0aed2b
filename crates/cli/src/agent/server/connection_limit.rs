//! Limits the number of open connections of the agent.
//!
//! When the limit is reached, a new connection replaces the connection that has been idle for the
//! longest time. Clients that open many connections without sending requests can therefore not
//! prevent other clients from connecting. The agent does not close a connection that it has just
//! accepted, because the first request of this connection may be on its way. If the agent can close
//! no connection, it accepts a few connections above the limit, which serve only health checks. If
//! all the connections for health checks are also in use, the agent may even close an idle
//! connection that it has just accepted. If no connection is idle, it closes the one whose client
//! has been reading a response for the longest time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The number of connections that the agent accepts above the limit, only for health checks.
const HEALTH_RESERVE: usize = 16;
/// The time in which the agent does not close a connection that it has just accepted, because the
/// first request of this connection may be on its way.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);

/// The time for which the agent lets a client read a response before it may close the connection to
/// make room.
const SENDING_GRACE: Duration = Duration::from_secs(10);
/// The time after which a task that waits for a free slot looks again for a connection to close.
const RETRY: Duration = Duration::from_secs(1);

/// The open connections of one or several listeners, which share one limit.
#[derive(Clone, Debug)]
pub(in super::super) struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    open: Mutex<HashMap<u64, Entry>>,
    next_id: AtomicU64,
    /// Wakes the tasks that wait for a free slot whenever a connection ends or becomes idle.
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
    /// The instant at which the agent began to send the response to the latest request; `None` if it
    /// is not sending a response.
    sending_since: Option<Instant>,
    evict: Arc<Notify>,
    /// How the agent closes the connection to make room; `None` if it does not.
    eviction: Option<Eviction>,
}

/// How the agent closes a connection to make room for another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Eviction {
    /// The connection was idle, and ends after the response to a request that may be on its way.
    Graceful,
    /// The connection ends at once, although the agent is sending a response.
    Abort,
}

impl Entry {
    fn is_idle(&self) -> bool {
        self.requests_under_way == 0 && self.eviction.is_none()
    }

    /// Returns true if the agent has told the connection to end, and no request in progress delays
    /// its end.
    fn is_ending(&self) -> bool {
        self.requests_under_way == 0 && self.eviction.is_some()
    }

    /// Returns true if the agent accepted the connection so recently that the first request may
    /// still be on its way.
    fn is_new(&self) -> bool {
        !self.has_had_request && self.idle_since.elapsed() < FIRST_REQUEST_GRACE
    }
}

/// An accepted connection, which counts as open until this value is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    shared: Arc<Shared>,
    id: u64,
    evict: Arc<Notify>,
    /// Whether the connection serves only health checks, because the agent accepted it above the
    /// limit.
    pub(super) health_only: bool,
}

/// A request in progress on a connection, until its response was sent. While this value exists, the
/// agent closes the connection only if no other one can make room, and if the client has been
/// reading the response for [`SENDING_GRACE`].
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
            "Connections that were closed in favour of new ones",
            self.0.evicted.clone(),
        );
    }

    /// Takes a slot for a new connection. If all slots are in use, including the slots for health
    /// checks, the function waits until another connection has ended.
    pub(super) async fn admit(&self) -> Admitted {
        loop {
            // The task registers for notifications before it tries to take a slot, so that it does
            // not miss a slot that becomes free in between.
            let freed = self.0.freed.notified();
            if let Some(admitted) = self.try_admit() {
                return admitted;
            }
            // The task looks again after a while even if no connection has ended, because a client
            // that reads a response slowly may have used up its time.
            let _ = tokio::time::timeout(RETRY, freed).await;
        }
    }

    fn try_admit(&self) -> Option<Admitted> {
        let mut open = self.0.open();
        if open.len() >= self.0.limit.saturating_add(HEALTH_RESERVE) {
            // If a connection is already ending, the new connection can take its slot, so the agent
            // does not close a second connection.
            if !open.values().any(Entry::is_ending)
                && !self.0.evict_longest_idle(&mut open, |_| true)
            {
                self.0.abort_longest_sending(&mut open);
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
                sending_since: None,
                evict: Arc::clone(&evict),
                eviction: None,
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

    /// Closes the connection that has been idle for the longest time, or else the one whose client
    /// has been reading a response for the longest time, to free its file descriptor. The accept
    /// loop calls this function when it cannot accept a connection because there is no free file
    /// descriptor.
    pub(super) fn shed(&self) {
        let mut open = self.0.open();
        if !self.0.evict_longest_idle(&mut open, |_| true) {
            self.0.abort_longest_sending(&mut open);
        }
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection that has been idle for the longest time, among those that
    /// `may_be_closed` accepts. Returns false if `may_be_closed` accepts no idle connection.
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
        entry.eviction = Some(Eviction::Graceful);
        entry.evict.notify_one();
        self.evicted.inc();
        true
    }

    /// Closes the connection on which the agent has been sending a response for the longest time, if
    /// the client has had [`SENDING_GRACE`] to read the response.
    fn abort_longest_sending(&self, open: &mut HashMap<u64, Entry>) {
        let sending = open.values_mut().filter(|one| one.eviction.is_none());
        let sending = sending.filter_map(|one| Some((one.sending_since?, one)));
        let longest = sending.min_by_key(|(since, _)| *since);
        let Some((_, entry)) = longest.filter(|(since, _)| since.elapsed() >= SENDING_GRACE) else {
            return;
        };
        entry.eviction = Some(Eviction::Abort);
        entry.evict.notify_one();
        self.evicted.inc();
    }
}

impl Admitted {
    /// Completes when the agent must close this connection to make room for another connection.
    pub(super) async fn evicted(&self) {
        self.evict.notified().await;
    }

    /// Returns true if the agent must close this connection although it is sending a response.
    pub(super) fn is_aborted(&self) -> bool {
        let open = self.shared.open();
        open.get(&self.id)
            .is_some_and(|entry| entry.eviction == Some(Eviction::Abort))
    }

    /// Records that a request has begun on this connection, so that the agent does not close the
    /// connection to make room.
    pub(super) fn begin_request(&self) -> UnderWay {
        if let Some(entry) = self.shared.open().get_mut(&self.id) {
            entry.requests_under_way += 1;
            entry.has_had_request = true;
            if entry.eviction.is_some() {
                // The agent has selected this connection to make room, but the connection now stays
                // open until the response to its new request. The tasks that wait for a free slot
                // are therefore woken, so that they select another connection to close.
                self.shared.freed.notify_waiters();
            }
        }
        UnderWay {
            shared: Arc::clone(&self.shared),
            id: self.id,
        }
    }
}

impl UnderWay {
    /// Records that the agent begins to send the response to the request.
    pub(super) fn begin_response(&self) {
        if let Some(entry) = self.shared.open().get_mut(&self.id) {
            entry.sending_since = Some(Instant::now());
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(entry) = self.shared.open().get_mut(&self.id) {
            entry.sending_since = None;
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
