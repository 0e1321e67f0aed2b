//! Converts the current values of a status, such as ages and numbers of directives, into samples.

use jiff::Timestamp;

use super::{Sample, SampleKind};
use crate::http::NodeStatus;
use crate::status::{DirectiveStates, ProbeMethod, RefresherState, Staleness, Status};

/// The name, the help text and the value of a gauge. A gauge without a value is not exported.
type Gauge = (&'static str, &'static str, Option<f64>);

pub(super) fn gauges(status: &Status) -> Vec<Sample> {
    let gauge = |name, help, label: Option<(&'static str, &str)>, value| {
        Sample::new(SampleKind::Gauge, name, help, label, value)
    };
    let mut samples: Vec<Sample> = (published(status).into_iter())
        .chain(polling(status))
        .filter_map(|(name, help, value)| Some(gauge(name, help, None, value?)))
        .collect();
    for (name, help, label, states) in states(status) {
        let sample = |(state, holds)| gauge(name, help, Some((label, state)), one_if(holds));
        samples.extend(states.into_iter().map(sample));
    }
    samples.extend(status.nodes.iter().map(|node| {
        gauge(
            "directives_node_up",
            "Whether the node responded to the last request",
            Some(("node", node.url.as_str())),
            one_if(node.status == NodeStatus::Alive),
        )
    }));
    samples.push(gauge(
        "directives_build_info",
        "The version of this library",
        Some(("version", env!("CARGO_PKG_VERSION"))),
        1.0,
    ));
    samples
}

/// Returns one gauge for each state of a document, with the number of documents in this state. The
/// argument `published` contains the numbers of scheduled, active and expired directives.
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
pub(super) fn documents_by_state(status: &Status, published: DirectiveStates) -> Vec<Sample> {
    [
        ("scheduled", published.scheduled),
        ("active", published.active),
        ("expired", published.expired),
        ("revoked", status.revoked),
        ("rejected", status.rejected.len()),
    ]
    .map(|(state, count)| {
        Sample::new(
            SampleKind::Gauge,
            "directives_documents_by_state",
            "Documents of the published revision by state",
            Some(("state", state)),
            count as f64,
        )
    })
    .into()
}

/// The name, the help text and the label name of a metric with one gauge for each possible state.
/// The gauge of the current state is 1, and the gauge of every other state is 0.
type States = (
    &'static str,
    &'static str,
    &'static str,
    Vec<(&'static str, bool)>,
);

fn states(status: &Status) -> [States; 3] {
    let Status {
        staleness,
        refresher,
        ..
    } = *status;
    let probe = status.reading.probe;
    [
        (
            "directives_staleness",
            "Whether the published set is known to be that of the index",
            "state",
            vec![
                ("fresh", staleness == Staleness::Fresh),
                ("stale", staleness == Staleness::Stale),
                ("dark", staleness == Staleness::Dark),
            ],
        ),
        (
            "directives_refresher",
            "Whether the refresher, which polls the index and publishes, runs",
            "state",
            vec![
                ("running", refresher.is_running()),
                (
                    "overdue",
                    matches!(refresher, RefresherState::Overdue { .. }),
                ),
                ("stopped", refresher == RefresherState::Stopped),
                ("not_started", refresher == RefresherState::NotStarted),
            ],
        ),
        (
            "directives_probe",
            "The request with which polls detect changes",
            "by",
            vec![
                ("statistics", probe == ProbeMethod::Statistics),
                ("search", probe == ProbeMethod::Search),
                ("nothing", probe == ProbeMethod::None),
                ("agent", probe == ProbeMethod::Agent),
            ],
        ),
    ]
}

fn one_if(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// Returns the gauges that describe the published set, such as the numbers of directives and of
/// rejected documents.
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
fn published(status: &Status) -> [Gauge; 8] {
    let revision = status.revision.as_ref();
    [
        (
            "directives_published",
            "Directives in the published set, including expired ones",
            Some(status.directives as f64),
        ),
        (
            "directives_rejected",
            "Documents of the published revision that were rejected",
            Some(status.rejected.len() as f64),
        ),
        (
            "directives_documents",
            "Documents of the published revision",
            revision.map(|revision| revision.documents as f64),
        ),
        (
            "directives_unfinished_documents",
            "Documents that have neither ended nor been revoked",
            status.unfinished.map(|unfinished| unfinished as f64),
        ),
        (
            "directives_max_documents",
            "The bound on directives_unfinished_documents, above which reads fail",
            Some(status.max_documents as f64),
        ),
        (
            "directives_warnings",
            "Warnings in the status, for example about a limit that is almost reached",
            Some(status.warnings.len() as f64),
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
    ]
}

/// Returns the gauges that describe the polls, such as the age of the last read and the number of
/// consecutive failures.
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
fn polling(status: &Status) -> [Gauge; 9] {
    let seconds = |at: Option<Timestamp>| at.map(|at| at.as_millisecond() as f64 / 1000.0);
    [
        (
            "directives_last_attempt_timestamp_seconds",
            "The time at which the last poll began",
            seconds(status.last_attempt),
        ),
        (
            "directives_last_success_timestamp_seconds",
            "The time at which the last successful poll began",
            seconds(status.last_success),
        ),
        (
            "directives_last_change_timestamp_seconds",
            "The time of the last publish",
            seconds(status.last_change),
        ),
        (
            "directives_consecutive_failures",
            "The number of consecutive failed polls",
            Some(f64::from(status.consecutive_failures)),
        ),
        (
            "directives_clock_skew_seconds",
            "The seconds by which the local clock is ahead of the cluster's",
            status.clock_skew_seconds,
        ),
        (
            "directives_delta_reads_enabled",
            "Whether delta reads work (1) or each change triggers a full read (0)",
            Some(one_if(status.reading.delta)),
        ),
        (
            "directives_next_poll_seconds",
            "The pause before the next poll in seconds",
            Some(status.next_poll_in_seconds),
        ),
        (
            "directives_off",
            "Whether the off file hides all directives",
            Some(one_if(status.off)),
        ),
        (
            "directives_last_good_failing",
            "Whether the last-good file cannot be written",
            Some(one_if(status.last_good_error.is_some())),
        ),
    ]
}
