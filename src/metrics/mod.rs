//! Exports the status of a store as Prometheus metrics, with one metric for each field.
//!
//! | metric | type | meaning |
//! |---|---|---|
//! | `directives_polls_total{result}` | counter | polls that found the index unchanged or read it completely (`success`), and failed polls (`failure`) |
//! | `directives_poll_failures_total{reason}` | counter | failed polls: `request`, `no_index`, `incomplete`, `stale`, `too_many_documents`, `deadline`, `panic` |
//! | `directives_reads_total{kind}` | counter | successful polls that read nothing (`unchanged`), the changes (`delta`) or everything (`full`) |
//! | `directives_stale_reads_total` | counter | reads that were refused because they were older than the published set |
//! | `directives_corrections_total` | counter | full reads that found a difference which the incremental polls had missed |
//! | `directives_poll_seconds_total` | counter | the total duration of all polls |
//! | `directives_requests_total` | counter | requests that were sent to all nodes |
//! | `directives_received_bytes_total` | counter | bytes in the bodies of all responses |
//! | `directives_publishes_total` | counter | sets that were published |
//! | `directives_rejections_total` | counter | rejected documents, once per revision |
//! | `directives_refresher_panics_total` | counter | panics that the refresher survived |
//! | `directives_published` | gauge | directives in the published set, including expired ones |
//! | `directives_documents_by_state{state}` | gauge | documents of the published revision that are `scheduled`, `active`, `expired`, `revoked` or `rejected` |
//! | `directives_rejected` | gauge | documents of the published revision that were rejected |
//! | `directives_documents` | gauge | documents of the published revision |
//! | `directives_revision_max_seq_no` | gauge | the highest `_seq_no` of the published revision |
//! | `directives_last_read_age_seconds` | gauge | seconds since the last complete read; absent before the first one |
//! | `directives_last_attempt_timestamp_seconds` | gauge | the time at which the last poll began |
//! | `directives_last_success_timestamp_seconds` | gauge | the time at which the last successful poll ended |
//! | `directives_last_change_timestamp_seconds` | gauge | the time of the last publish |
//! | `directives_consecutive_failures` | gauge | the number of consecutive failed polls |
//! | `directives_next_poll_seconds` | gauge | the pause before the next poll |
//! | `directives_last_good_failing` | gauge | 1 if the last-good file cannot be written |
//! | `directives_clock_skew_seconds` | gauge | the seconds by which the local clock is ahead of the cluster's; absent if they were not measured |
//! | `directives_probe{by}` | gauge | 1 for the request with which polls detect changes: `statistics`, `search`, `nothing` or `agent` |
//! | `directives_delta_reads_enabled` | gauge | 1 if delta reads work, 0 if each change triggers a full read |
//! | `directives_staleness{state}` | gauge | 1 for the current state: `fresh`, `stale` or `dark` |
//! | `directives_refresher{state}` | gauge | 1 for the current state: `running`, `overdue`, `stopped` or `not_started`; alert if `running` is not 1 |
//! | `directives_node_up{node}` | gauge | 1 if the node responded to the last request |
//! | `directives_build_info{version}` | info | 1, with the version of this library |

mod counters;
mod gauges;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::http::NodeStatus;
use crate::status::{ProbeMethod, RefresherState, Staleness, Status};
use crate::store::OpenSearchDirectiveStore;
use opensearch_directives_core::DirectiveStates;

/// Collects a store's status whenever the metrics are requested.
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
    /// Creates a collector of this store's status.
    #[must_use]
    pub fn new(store: Arc<OpenSearchDirectiveStore>) -> Self {
        Self { store }
    }
}

impl Collector for StatusCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let status = self.store.status();
        encode(&status, &mut encoder)?;
        by_state(&status, self.store.states(), &mut encoder)
    }
}

fn encode(status: &Status, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    counters::encode(&status.counters, encoder)?;
    for (name, help, value) in gauges::gauges(status) {
        if let Some(value) = value {
            let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(descriptor)?;
        }
    }
    one_of(
        encoder,
        (
            "directives_staleness",
            "Whether the published set is known to be that of the index",
        ),
        "state",
        &[
            ("fresh", status.staleness == Staleness::Fresh),
            ("stale", status.staleness == Staleness::Stale),
            ("dark", status.staleness == Staleness::Dark),
        ],
    )?;
    let refresher = status.refresher;
    one_of(
        encoder,
        (
            "directives_refresher",
            "Whether the refresher, which polls the index and publishes, runs",
        ),
        "state",
        &[
            ("running", refresher.is_running()),
            (
                "overdue",
                matches!(refresher, RefresherState::Overdue { .. }),
            ),
            ("stopped", refresher == RefresherState::Stopped),
            ("not_started", refresher == RefresherState::NotStarted),
        ],
    )?;
    let probe = status.reading.probe;
    one_of(
        encoder,
        (
            "directives_probe",
            "The request with which polls detect changes",
        ),
        "by",
        &[
            ("statistics", probe == ProbeMethod::Statistics),
            ("search", probe == ProbeMethod::Search),
            ("nothing", probe == ProbeMethod::None),
            ("agent", probe == ProbeMethod::Agent),
        ],
    )?;
    nodes(status, encoder)?;
    encoder
        .encode_descriptor(
            "directives_build",
            "The version of this library",
            None,
            MetricType::Info,
        )?
        .encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
}

/// Exports whether each node responded to the last request.
fn nodes(status: &Status, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let mut up = encoder.encode_descriptor(
        "directives_node_up",
        "Whether the node responded to the last request",
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
fn by_state(
    status: &Status,
    published: DirectiveStates,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(
        "directives_documents_by_state",
        "Documents of the published revision by state",
        None,
        MetricType::Gauge,
    )?;
    for (state, count) in [
        ("scheduled", published.scheduled),
        ("active", published.active),
        ("expired", published.expired),
        ("revoked", status.revoked),
        ("rejected", status.rejected.len()),
    ] {
        ConstGauge::new(count as f64).encode(family.encode_family(&[("state", state)])?)?;
    }
    Ok(())
}

/// Exports a gauge for each possible state. The value of the current state is 1, and that of the
/// others is 0.
fn one_of(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    label: &str,
    states: &[(&str, bool)],
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for &(state, holds) in states {
        ConstGauge::new(i64::from(holds)).encode(family.encode_family(&[(label, state)])?)?;
    }
    Ok(())
}
