//! Limits the number of open connections. When the limit is reached, selects the connection to
//! close.
//!
//! At the limit, a new connection replaces the connection that has been idle for the longest time.
//! Clients that open connections without sending requests therefore cannot exclude other clients.
//! If every connection has a request in progress, the agent admits a few further connections, but
//! only for health checks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The number of connections above the limit that are admitted for health checks.
const HEALTH_RESERVE: usize = 16;

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
    requests_under_way: usize,
    idle_since: Instant,
    evict: Arc<Notify>,
    is_evicted: bool,
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
        let is_full = open.len() >= self.0.limit;
        let has_room = !is_full || evict_longest_idle(&mut open, &self.0.evicted);
        if open.len() >= self.0.limit.saturating_add(HEALTH_RESERVE) {
            return None;
        }
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let evict = Arc::new(Notify::new());
        open.insert(
            id,
            Entry {
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
    /// function after an accept has failed, usually because no file descriptor was free.
    pub(super) fn shed(&self) {
        evict_longest_idle(&mut self.0.open(), &self.0.evicted);
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn evict_longest_idle(open: &mut HashMap<u64, Entry>, evicted: &Counter) -> bool {
    let longest_idle = open
        .values_mut()
        .filter(|entry| entry.requests_under_way == 0 && !entry.is_evicted)
        .min_by_key(|entry| entry.idle_since);
    let Some(entry) = longest_idle else {
        return false;
    };
    entry.is_evicted = true;
    entry.evict.notify_one();
    evicted.inc();
    true
}

impl Admitted {
    /// Completes when this connection must be closed to make room for another one.
    pub(super) async fn evicted(&self) {
        self.evict.notified().await;
    }

    /// Marks the beginning of a request.
    pub(super) fn begin_request(&self) -> UnderWay {
        if let Some(entry) = self.shared.open().get_mut(&self.id) {
            entry.requests_under_way += 1;
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
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    async fn full(limit: usize) -> (Connections, Vec<Admitted>) {
        let connections = Connections::new(limit);
        let mut admitted = Vec::new();
        for _ in 0..limit {
            admitted.push(connections.admit().await);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        (connections, admitted)
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_connection_makes_room() {
        let (connections, admitted) = full(3).await;
        // After this request, the first connection is the most recently used one.
        drop(admitted[0].begin_request());
        let new = connections.admit().await;
        assert!(!new.health_only);
        let evicted: Vec<bool> = admitted
            .iter()
            .map(|one| one.evicted().now_or_never().is_some())
            .collect();
        assert_eq!(evicted, [false, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_a_request_under_way_stays() {
        let (connections, admitted) = full(2).await;
        let _busy: Vec<UnderWay> = admitted.iter().map(Admitted::begin_request).collect();
        for _ in 0..HEALTH_RESERVE {
            let reserved = connections.admit().await;
            assert!(reserved.health_only);
            // The request in progress never ends, so its connection cannot be closed for another
            // one.
            std::mem::forget(reserved.begin_request());
            std::mem::forget(reserved);
        }
        assert!(connections.admit().now_or_never().is_none());
        assert!(
            admitted
                .iter()
                .all(|one| one.evicted().now_or_never().is_none())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_admits_the_next() {
        let (connections, mut admitted) = full(1 + HEALTH_RESERVE).await;
        // All connections have been notified that they must end, but none has ended yet.
        for _ in 0..=HEALTH_RESERVE {
            connections.shed();
        }
        let mut more: Vec<Admitted> = Vec::new();
        while let Some(one) = connections.admit().now_or_never() {
            std::mem::forget(one.begin_request());
            more.push(one);
        }
        let next = connections.admit();
        tokio::pin!(next);
        assert!(next.as_mut().now_or_never().is_none());
        admitted.pop();
        assert!(next.now_or_never().is_some());
    }
}
