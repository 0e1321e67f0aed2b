//! Exports the current values of a status, such as ages and numbers of directives, in the
//! Prometheus format.

use jiff::Timestamp;

use crate::status::Status;

/// The name, the help text and the value of a gauge. A gauge without a value is not exported.
pub(super) type Gauge = (&'static str, &'static str, Option<f64>);

/// Returns the gauges of the published set and of the polling.
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
pub(super) fn gauges(status: &Status) -> Vec<Gauge> {
    let revision = status.revision.as_ref();
    let published = [
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
            "directives_revision_max_seq_no",
            "The highest _seq_no of the published revision",
            revision.and_then(|revision| Some(revision.max_seq_no? as f64)),
        ),
        (
            "directives_last_read_age_seconds",
            "Seconds since the last complete read",
            status.age_seconds,
        ),
    ];
    published.into_iter().chain(polling(status)).collect()
}

/// Returns the gauges of the polling.
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
fn polling(status: &Status) -> [Gauge; 8] {
    let seconds = |at: Option<Timestamp>| at.map(|at| at.as_millisecond() as f64 / 1000.0);
    [
        (
            "directives_last_attempt_timestamp_seconds",
            "The time at which the last poll began",
            seconds(status.last_attempt),
        ),
        (
            "directives_last_success_timestamp_seconds",
            "The time at which the last successful poll ended",
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
            Some(f64::from(u8::from(status.reading.delta))),
        ),
        (
            "directives_next_poll_seconds",
            "The pause before the next poll in seconds",
            Some(status.next_poll_in_seconds),
        ),
        (
            "directives_last_good_failing",
            "Whether the last-good file cannot be written",
            Some(f64::from(u8::from(status.last_good_error.is_some()))),
        ),
    ]
}
