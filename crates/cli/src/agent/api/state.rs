//! The state that all handlers of the agent's API share: the store, the caches of encoded
//! responses, and the limits on concurrent work.

use std::sync::Arc;

use opensearch_directives::fleet::Relay;
use opensearch_directives::{Clock, OpenSearchDirectiveStore, StatusCollector};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::super::server::Connections;
use super::super::signals::PhaseReceiver;
use super::directives::ListingCache;
use super::expensive_responses::Admission;
use super::snapshot_cache::SnapshotCache;
use super::waiting_client_limits::WaitSlots;

#[derive(Clone)]
pub(in super::super) struct Agent {
    pub(super) store: Arc<OpenSearchDirectiveStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) phase: PhaseReceiver,
    pub(super) listings: ListingCache,
    pub(super) snapshots: SnapshotCache,
    pub(super) wait_slots: WaitSlots,
    /// Limits the large responses that contain the set or the counts of its matches.
    pub(super) large_responses: Admission,
    /// Limits the batches of evaluations.
    pub(super) batches: Admission,
    /// Accepts the reports of other instances; `None` if this agent does not report to the fleet.
    pub(super) relay: Option<Relay>,
    pub(super) registry: Arc<Registry>,
    /// The number of live tokio tasks, which the agent updates whenever a client requests the
    /// metrics.
    pub(super) tasks: Gauge,
    /// True in the process of `directives record`, which only records operations and serves no set.
    pub(super) only_records: bool,
}

impl Agent {
    pub(in super::super) fn new(
        store: Arc<OpenSearchDirectiveStore>,
        clock: Arc<dyn Clock>,
        max_waiting: usize,
        series_by_directive: usize,
        phase: PhaseReceiver,
        connections: &Connections,
    ) -> Self {
        let mut registry = Registry::default();
        let status = StatusCollector::new(&store).with_series_by_directive(series_by_directive);
        registry.register_collector(Box::new(status));
        connections.register(&mut registry);
        let tasks = Gauge::default();
        registry.register(
            "directives_agent_tasks",
            "Live tokio tasks of the agent; the number depends only on the number of connections",
            tasks.clone(),
        );
        Self {
            listings: ListingCache::new(Arc::clone(&store), Arc::clone(&clock)),
            snapshots: SnapshotCache::new(Arc::clone(&store)),
            wait_slots: WaitSlots::new(max_waiting, phase.clone(), &mut registry),
            large_responses: Admission::new("large responses"),
            batches: Admission::new("batches"),
            relay: None,
            registry: Arc::new(registry),
            tasks,
            only_records: false,
            store,
            clock,
            phase,
        }
    }

    /// Marks this process as a recorder (`directives record`), which only records operations and
    /// serves no set.
    pub(in super::super) fn recording_only(mut self) -> Self {
        self.only_records = true;
        self
    }

    /// Makes the agent accept the reports of other instances; `None` if this agent itself does not
    /// report to the fleet.
    pub(in super::super) fn with_relay(mut self, relay: Option<Relay>) -> Self {
        self.relay = relay;
        self
    }
}
