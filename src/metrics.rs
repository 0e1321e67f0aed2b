//! A store's status as Prometheus metrics.
//!
//! | metric | type | what it says |
//! |---|---|---|
//! | `directives_polls_total{result}` | counter | polls that read the index completely (`success`), or not (`failure`) |
//! | `directives_publishes_total` | counter | sets published |
//! | `directives_rejections_total` | counter | documents refused, once a revision |
//! | `directives_refresher_panics_total` | counter | panics that the refresher survived |
//! | `directives_published` | gauge | directives in the published set, expired ones included |
//! | `directives_rejected` | gauge | documents of the published revision that were refused |
//! | `directives_documents` | gauge | documents of the published revision |
//! | `directives_revision_max_seq_no` | gauge | the highest `_seq_no` of the published revision |
//! | `directives_last_read_age_seconds` | gauge | seconds since the last complete read; absent before the first |
//! | `directives_last_attempt_timestamp_seconds` | gauge | when the last poll began |
//! | `directives_last_success_timestamp_seconds` | gauge | when the last complete read ended |
//! | `directives_last_change_timestamp_seconds` | gauge | when a set was published last |
//! | `directives_consecutive_failures` | gauge | failed polls in a row |
//! | `directives_next_poll_seconds` | gauge | the pause before the next poll |
//! | `directives_staleness{state}` | gauge | 1 for the state that holds: `fresh`, `stale` or `dark` |
//! | `directives_node_up{node}` | gauge | 1 if the node answered when it was asked last |

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::cluster::NodeStatus;
use crate::opensearch_store::OpenSearchDirectiveStore;
use crate::status::{Staleness, Status};

/// Collects a store's status whenever metrics are asked for.
///
/// ```
/// # use std::sync::Arc;
/// use opensearch_directives::{OpenSearchDirectiveStore, StatusCollector};
/// use prometheus_client::registry::Registry;
///
/// fn register(store: &Arc<OpenSearchDirectiveStore>, registry: &mut Registry) {
///     registry.register_collector(Box::new(StatusCollector::new(Arc::clone(store))));
/// }
/// ```
#[derive(Debug)]
pub struct StatusCollector {
    store: Arc<OpenSearchDirectiveStore>,
}

impl StatusCollector {
    /// A collector of this store's status.
    #[must_use]
    pub fn new(store: Arc<OpenSearchDirectiveStore>) -> Self {
        Self { store }
    }
}

impl Collector for StatusCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        encode(&self.store.status(), &mut encoder)
    }
}

fn encode(status: &Status, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let counters = &status.counters;
    let mut polls = encoder.encode_descriptor(
        "directives_polls",
        "Polls by how they ended",
        None,
        MetricType::Counter,
    )?;
    for (result, count) in [
        ("success", counters.polls_succeeded),
        ("failure", counters.polls_failed),
    ] {
        ConstCounter::new(count).encode(polls.encode_family(&[("result", result)])?)?;
    }
    for (name, help, count) in [
        ("directives_publishes", "Sets published", counters.publishes),
        (
            "directives_rejections",
            "Documents refused, once a revision",
            counters.rejections,
        ),
        (
            "directives_refresher_panics",
            "Panics that the refresher survived",
            counters.panics,
        ),
    ] {
        let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(count).encode(descriptor)?;
    }
    for (name, help, value) in gauges(status) {
        if let Some(value) = value {
            let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(descriptor)?;
        }
    }
    let mut staleness = encoder.encode_descriptor(
        "directives_staleness",
        "How far the published set can be trusted to be the index's",
        None,
        MetricType::Gauge,
    )?;
    for (name, state) in [
        ("fresh", Staleness::Fresh),
        ("stale", Staleness::Stale),
        ("dark", Staleness::Dark),
    ] {
        let holds = i64::from(status.staleness == state);
        ConstGauge::new(holds).encode(staleness.encode_family(&[("state", name)])?)?;
    }
    let mut up = encoder.encode_descriptor(
        "directives_node_up",
        "Whether the node answered when it was asked last",
        None,
        MetricType::Gauge,
    )?;
    for node in &status.nodes {
        let alive = i64::from(node.status == NodeStatus::Alive);
        ConstGauge::new(alive).encode(up.encode_family(&[("node", node.url.as_str())])?)?;
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
fn gauges(status: &Status) -> [(&'static str, &'static str, Option<f64>); 10] {
    let seconds = |at: Option<Timestamp>| at.map(|at| at.as_millisecond() as f64 / 1000.0);
    let revision = status.revision.as_ref();
    [
        (
            "directives_published",
            "Directives in the published set, expired ones included",
            Some(status.directives as f64),
        ),
        (
            "directives_rejected",
            "Documents of the published revision that were refused",
            Some(status.rejected.len() as f64),
        ),
        (
            "directives_documents",
            "Documents of the published revision",
            revision.map(|revision| revision.documents as f64),
        ),
        (
            "directives_revision_max_seq_no",
            "The highest _seq_no of the published revision",
            revision.and_then(|revision| Some(revision.max_seq_no? as f64)),
        ),
        (
            "directives_last_read_age_seconds",
            "Seconds since the last complete read",
            status.age_seconds,
        ),
        (
            "directives_last_attempt_timestamp_seconds",
            "When the last poll began",
            seconds(status.last_attempt),
        ),
        (
            "directives_last_success_timestamp_seconds",
            "When the last complete read ended",
            seconds(status.last_success),
        ),
        (
            "directives_last_change_timestamp_seconds",
            "When a set was published last",
            seconds(status.last_change),
        ),
        (
            "directives_consecutive_failures",
            "Failed polls in a row",
            Some(f64::from(status.consecutive_failures)),
        ),
        (
            "directives_next_poll_seconds",
            "The pause before the next poll",
            Some(status.next_poll_in_seconds),
        ),
    ]
}
