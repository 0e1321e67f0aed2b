//! A store's status as Prometheus metrics.
//!
//! | metric | type | what it says |
//! |---|---|---|
//! | `directives_polls_total{result}` | counter | polls that found the index unchanged or read it completely (`success`), or not (`failure`) |
//! | `directives_poll_failures_total{reason}` | counter | failed polls: `request`, `no_index`, `incomplete`, `stale`, `too_many_documents`, `deadline`, `panic` |
//! | `directives_reads_total{kind}` | counter | successful polls that read nothing (`unchanged`), the changes (`delta`) or everything (`full`) |
//! | `directives_stale_reads_total` | counter | answers refused because they were older than what is published |
//! | `directives_corrections_total` | counter | reads of everything that showed what the polls before had not |
//! | `directives_poll_seconds_total` | counter | how long all polls took together |
//! | `directives_requests_total` | counter | requests sent, to whichever node |
//! | `directives_received_bytes_total` | counter | bytes of the answers' bodies |
//! | `directives_publishes_total` | counter | sets published |
//! | `directives_rejections_total` | counter | documents refused, once a revision |
//! | `directives_refresher_panics_total` | counter | panics that the refresher survived |
//! | `directives_published` | gauge | directives in the published set, expired ones included |
//! | `directives_documents_by_state{state}` | gauge | documents of the published revision that are `scheduled`, `active`, `expired`, `revoked` or `rejected` |
//! | `directives_rejected` | gauge | documents of the published revision that were refused |
//! | `directives_documents` | gauge | documents of the published revision |
//! | `directives_revision_max_seq_no` | gauge | the highest `_seq_no` of the published revision |
//! | `directives_last_read_age_seconds` | gauge | seconds since the last complete read; absent before the first |
//! | `directives_last_attempt_timestamp_seconds` | gauge | when the last poll began |
//! | `directives_last_success_timestamp_seconds` | gauge | when the last complete read ended |
//! | `directives_last_change_timestamp_seconds` | gauge | when a set was published last |
//! | `directives_consecutive_failures` | gauge | failed polls in a row |
//! | `directives_next_poll_seconds` | gauge | the pause before the next poll |
//! | `directives_last_good_failing` | gauge | 1 if the last-good file cannot be written |
//! | `directives_clock_skew_seconds` | gauge | by how much our clock is ahead of the cluster's; absent if never measured |
//! | `directives_probe{by}` | gauge | 1 for the way in which polls look for changes: `statistics`, `search`, `nothing` or `agent` |
//! | `directives_delta_reads_enabled` | gauge | 1 if changes are read alone, 0 if each change has everything read |
//! | `directives_staleness{state}` | gauge | 1 for the state that holds: `fresh`, `stale` or `dark` |
//! | `directives_node_up{node}` | gauge | 1 if the node answered when it was asked last |
//! | `directives_build_info{version}` | info | 1, with the version of this library |

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::http::NodeStatus;
use crate::status::{Counters, ProbeMethod, Staleness, Status};
use crate::store::OpenSearchDirectiveStore;
use opensearch_directives_core::DirectiveStates;

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
        let status = self.store.status();
        encode(&status, &mut encoder)?;
        by_state(&status, self.store.states(), &mut encoder)
    }
}

fn encode(status: &Status, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    counters(&status.counters, encoder)?;
    for (name, help, value) in gauges(status) {
        if let Some(value) = value {
            let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(descriptor)?;
        }
    }
    one_of(
        encoder,
        (
            "directives_staleness",
            "How far the published set can be trusted to be the index's",
        ),
        "state",
        &[
            ("fresh", status.staleness == Staleness::Fresh),
            ("stale", status.staleness == Staleness::Stale),
            ("dark", status.staleness == Staleness::Dark),
        ],
    )?;
    let probe = status.reading.probe;
    one_of(
        encoder,
        (
            "directives_probe",
            "The way in which polls look for changes",
        ),
        "by",
        &[
            ("statistics", probe == ProbeMethod::Statistics),
            ("search", probe == ProbeMethod::Search),
            ("nothing", probe == ProbeMethod::None),
            ("agent", probe == ProbeMethod::Agent),
        ],
    )?;
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
    encoder
        .encode_descriptor(
            "directives_build",
            "The version of this library",
            None,
            MetricType::Info,
        )?
        .encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
}

fn counters(counters: &Counters, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let (failures, reads) = (&counters.failures, &counters.reads);
    let families: [(_, _, _, &[(&str, u64)]); 3] = [
        (
            "directives_polls",
            "Polls by how they ended",
            "result",
            &[
                ("success", counters.polls_succeeded),
                ("failure", counters.polls_failed),
            ],
        ),
        (
            "directives_poll_failures",
            "Failed polls by reason",
            "reason",
            &[
                ("request", failures.request),
                ("no_index", failures.no_index),
                ("incomplete", failures.incomplete),
                ("stale", failures.stale),
                ("too_many_documents", failures.too_many_documents),
                ("deadline", failures.deadline),
                ("panic", failures.panic),
            ],
        ),
        (
            "directives_reads",
            "Successful polls by what they read",
            "kind",
            &[
                ("unchanged", reads.unchanged),
                ("delta", reads.delta_reads),
                ("full", reads.full_reads),
            ],
        ),
    ];
    for (name, help, label, members) in families {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for &(value, count) in members {
            ConstCounter::new(count).encode(family.encode_family(&[(label, value)])?)?;
        }
    }
    for (name, help, count) in [
        (
            "directives_stale_reads",
            "Answers refused because they were older than what is published",
            reads.stale_reads,
        ),
        (
            "directives_corrections",
            "Reads of everything that showed what the polls before had not",
            reads.corrections,
        ),
        (
            "directives_requests",
            "Requests sent, to whichever node",
            counters.requests,
        ),
        (
            "directives_received_bytes",
            "Bytes of the responses' bodies",
            counters.bytes_received,
        ),
        (
            "directives_credential_reloads",
            "Reloads of credentials and certificates that had changed",
            counters.credential_reloads,
        ),
        (
            "directives_credential_reload_failures",
            "Reloads of credentials and certificates that failed",
            counters.credential_reload_failures,
        ),
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
    let seconds = encoder.encode_descriptor(
        "directives_poll_seconds",
        "How long all polls took together",
        None,
        MetricType::Counter,
    )?;
    ConstCounter::new(counters.poll_seconds.as_secs_f64()).encode(seconds)
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

/// A gauge for each state that something can be in, 1 for the one that holds.
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

#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
fn gauges(status: &Status) -> [(&'static str, &'static str, Option<f64>); 13] {
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
            "directives_clock_skew_seconds",
            "By how much our clock is ahead of the cluster's",
            status.clock_skew_seconds,
        ),
        (
            "directives_delta_reads_enabled",
            "Whether changes are read alone",
            Some(f64::from(u8::from(status.reading.delta))),
        ),
        (
            "directives_next_poll_seconds",
            "The pause before the next poll",
            Some(status.next_poll_in_seconds),
        ),
        (
            "directives_last_good_failing",
            "Whether the last-good file cannot be written",
            Some(f64::from(u8::from(status.last_good_error.is_some()))),
        ),
    ]
}
