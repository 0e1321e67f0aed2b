//! Exports the current values of a status, such as ages and numbers of directives.

use jiff::Timestamp;

use crate::status::Status;

/// Name, help and value; no value where there is nothing to report.
pub(super) type Gauge = (&'static str, &'static str, Option<f64>);

/// The gauges of the published set, then those of the polling.
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
pub(super) fn gauges(status: &Status) -> Vec<Gauge> {
    let revision = status.revision.as_ref();
    let published = [
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
    ];
    published.into_iter().chain(polling(status)).collect()
}

/// The gauges of the polling.
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
fn polling(status: &Status) -> [Gauge; 8] {
    let seconds = |at: Option<Timestamp>| at.map(|at| at.as_millisecond() as f64 / 1000.0);
    [
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
