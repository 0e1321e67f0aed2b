//! Converts the counters of a status, such as polls, failures and publishes, into samples.

use super::{Sample, SampleKind};
use crate::status::Counters;

/// The name, the help text and the label name of a metric, with the count for each label value.
type Family = (
    &'static str,
    &'static str,
    &'static str,
    Vec<(&'static str, u64)>,
);

#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
pub(super) fn counters(counters: &Counters) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut add = |name, help, label: Option<(&'static str, &str)>, value| {
        samples.push(Sample::new(SampleKind::Counter, name, help, label, value));
    };
    for (name, help, label, members) in families(counters) {
        for (value, count) in members {
            add(name, help, Some((label, value)), count as f64);
        }
    }
    for (name, help, count) in totals(counters) {
        add(name, help, None, count as f64);
    }
    add(
        "directives_poll_seconds_total",
        "The total duration of all polls in seconds",
        None,
        counters.poll_seconds.as_secs_f64(),
    );
    samples
}

fn families(counters: &Counters) -> [Family; 5] {
    let changes = &counters.changes;
    let [polls, failures, reads] = families_of_polls(counters);
    [
        polls,
        failures,
        reads,
        (
            "directives_fleet_reports_total",
            "Reports to the index of the fleet by result",
            "result",
            vec![
                ("success", counters.reports_written),
                ("failure", counters.reports_failed),
            ],
        ),
        (
            "directives_changes_total",
            "Changes of directives, each of which is a line in the log",
            "change",
            vec![
                ("added", changes.added),
                ("changed", changes.changed),
                ("removed", changes.removed),
                ("started", changes.started),
                ("expired", changes.expired),
            ],
        ),
    ]
}

fn families_of_polls(counters: &Counters) -> [Family; 3] {
    let (failures, reads) = (&counters.failures, &counters.reads);
    [
        (
            "directives_polls_total",
            "Polls by result",
            "result",
            vec![
                ("success", counters.polls_succeeded),
                ("failure", counters.polls_failed),
            ],
        ),
        (
            "directives_poll_failures_total",
            "Failed polls by reason",
            "reason",
            vec![
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
            "directives_reads_total",
            "Successful polls by kind of read",
            "kind",
            vec![
                ("unchanged", reads.unchanged),
                ("delta", reads.delta_reads),
                ("reconcile", reads.reconciles),
                ("full", reads.full_reads),
            ],
        ),
    ]
}

fn totals(counters: &Counters) -> [(&'static str, &'static str, u64); 10] {
    let reads = &counters.reads;
    [
        (
            "directives_stale_reads_total",
            "Reads that were refused because they were older than the published set",
            reads.stale_reads,
        ),
        (
            "directives_corrections_total",
            "Reconciles and full reads that found a difference which the polls before had missed",
            reads.corrections,
        ),
        (
            "directives_requests_total",
            "Requests that were sent to all nodes",
            counters.requests,
        ),
        (
            "directives_received_bytes_total",
            "Bytes in the bodies of all responses",
            counters.bytes_received,
        ),
        (
            "directives_credential_reloads_total",
            "Reloads of credentials, certificates and trusted keys that had changed",
            counters.credential_reloads,
        ),
        (
            "directives_credential_reload_failures_total",
            "Reloads of credentials, certificates and trusted keys that failed",
            counters.credential_reload_failures,
        ),
        (
            "directives_signature_verifications_total",
            "Signatures that were verified; equal content is verified only once",
            counters.signature_verifications,
        ),
        (
            "directives_publishes_total",
            "Sets that were published",
            counters.publishes,
        ),
        (
            "directives_rejections_total",
            "Rejected documents, once per revision of the document",
            counters.rejections,
        ),
        (
            "directives_refresher_panics_total",
            "Panics that the refresher survived",
            counters.panics,
        ),
    ]
}
