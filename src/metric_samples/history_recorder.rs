//! Converts the counters of the history recorder into samples.

use super::{Sample, SampleKind};
use crate::status::RecorderStatus;

#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
pub(super) fn recorder(status: &RecorderStatus) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut add = |kind, name, help, label: Option<(&'static str, &str)>, value: u64| {
        samples.push(Sample::new(kind, name, help, label, value as f64));
    };
    for (result, count) in [
        ("recorded", status.recorded),
        ("already_recorded", status.already_recorded),
        ("unseen", status.unseen),
        ("lost", status.lost),
    ] {
        add(
            SampleKind::Counter,
            "directives_history_operations_total",
            "Operations that the recorder of the history observed, by result",
            Some(("result", result)),
            count,
        );
    }
    add(
        SampleKind::Counter,
        "directives_history_failures_total",
        "Attempts to write to the history that failed",
        None,
        status.failures,
    );
    add(
        SampleKind::Counter,
        "directives_history_missed_polls_total",
        "Polls whose documents were dropped because the recorder did not keep up",
        None,
        status.missed_polls,
    );
    add(
        SampleKind::Gauge,
        "directives_history_pending",
        "Records that wait to be written to the history",
        None,
        status.pending,
    );
    samples
}
