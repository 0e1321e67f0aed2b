//! Converts the status of a store into plain samples, for a metrics library of any kind.

mod counters;
mod gauges;
mod history_recorder;
pub(crate) mod hits;

use crate::status::{DirectiveStates, Status};

/// Whether a [`Sample`] counts events or is a current value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SampleKind {
    /// A count of events since the start of the store. The count of events never decreases while
    /// the store runs.
    Counter,
    /// A current value that can rise and fall, such as the age of the published set.
    Gauge,
}

/// One value of a store's metrics, for example for the crate `metrics` or for OpenTelemetry.
///
/// ```
/// # use opensearch_directives::{OpenSearchDirectiveStore, status::SampleKind};
/// # fn record_counter(_: &str, _: Option<(&str, String)>, _: f64) {}
/// # fn record_gauge(_: &str, _: Option<(&str, String)>, _: f64) {}
/// fn export(store: &OpenSearchDirectiveStore) {
///     for sample in store.samples() {
///         match sample.kind {
///             SampleKind::Counter => record_counter(sample.name, sample.label, sample.value),
///             _ => record_gauge(sample.name, sample.label, sample.value),
///         }
///     }
/// }
/// ```
///
/// The names of the metrics are the same as in Prometheus, so the name of a counter ends in
/// `_total`:
///
/// | metric | type | meaning |
/// |---|---|---|
/// | `directives_polls_total{result}` | counter | polls that found the index unchanged or read it completely (`success`), and failed polls (`failure`) |
/// | `directives_poll_failures_total{reason}` | counter | failed polls: `request`, `no_index`, `incomplete`, `stale`, `too_many_documents`, `deadline`, `panic` |
/// | `directives_reads_total{kind}` | counter | successful polls that read nothing (`unchanged`), the changes (`delta`), the differences (`reconcile`) or everything (`full`) |
/// | `directives_stale_reads_total` | counter | reads that were refused because they were older than the published set |
/// | `directives_corrections_total` | counter | reconciles and full reads that found a difference which the polls before had missed |
/// | `directives_poll_seconds_total` | counter | the total duration of all polls |
/// | `directives_requests_total` | counter | requests that were sent to all nodes |
/// | `directives_received_bytes_total` | counter | bytes in the bodies of all responses |
/// | `directives_credential_reloads_total` | counter | reloads of credentials, certificates and trusted keys that had changed |
/// | `directives_credential_reload_failures_total` | counter | reloads that failed |
/// | `directives_signature_verifications_total` | counter | verified signatures; equal content is verified once |
/// | `directives_publishes_total` | counter | sets that were published |
/// | `directives_rejections_total` | counter | rejected documents, once per revision of the document |
/// | `directives_fleet_reports_total{result}` | counter | reports to the index of the fleet that were written (`success`), and that were not (`failure`) |
/// | `directives_changes_total{change}` | counter | directives that were `added`, `changed`, `removed`, `started` or `expired`; the log has a line for each, at most 100 for one publish |
/// | `directives_refresher_panics_total` | counter | panics that the refresher survived |
/// | `directives_matched_total` | counter | matches of all directives, if the store counts them: a request counts once for each directive that it matches |
/// | `directives_sampled_total` | counter | matches that were in the sample of their directive |
/// | `directives_unmatched` | gauge | active directives that have matched no request in this process |
/// | `directives_published` | gauge | directives in the published set, including expired ones |
/// | `directives_documents_by_state{state}` | gauge | documents of the published revision that are `scheduled`, `active`, `expired`, `revoked` or `rejected` |
/// | `directives_rejected` | gauge | documents of the published revision that were rejected |
/// | `directives_documents` | gauge | documents of the published revision |
/// | `directives_unfinished_documents` | gauge | documents that have neither ended nor been revoked; absent before the first read |
/// | `directives_max_documents` | gauge | the bound on `directives_unfinished_documents`, above which reads fail |
/// | `directives_warnings` | gauge | warnings in the status, for example about a limit that is almost reached |
/// | `directives_revision_max_seq_no` | gauge | the highest `_seq_no` of the published revision |
/// | `directives_last_read_age_seconds` | gauge | seconds since the last complete read; absent before the first one |
/// | `directives_last_attempt_timestamp_seconds` | gauge | the time at which the last poll began |
/// | `directives_last_success_timestamp_seconds` | gauge | the time at which the last successful poll began |
/// | `directives_last_change_timestamp_seconds` | gauge | the time of the last publish |
/// | `directives_consecutive_failures` | gauge | the number of consecutive failed polls |
/// | `directives_next_poll_seconds` | gauge | the pause before the next poll |
/// | `directives_off` | gauge | 1 while the off file exists, so that no directive applies |
/// | `directives_last_good_failing` | gauge | 1 if the last-good file cannot be written |
/// | `directives_clock_skew_seconds` | gauge | the seconds by which the local clock is ahead of the cluster's; absent if they were not measured |
/// | `directives_probe{by}` | gauge | 1 for the request with which polls detect changes: `statistics`, `search`, `nothing` or `agent` |
/// | `directives_delta_reads_enabled` | gauge | 1 if delta reads work, 0 if each change triggers a full read |
/// | `directives_staleness{state}` | gauge | 1 for the current state: `fresh`, `stale` or `dark` |
/// | `directives_refresher{state}` | gauge | 1 for the current state: `running`, `overdue`, `stopped` or `not_started`; alert if `running` is not 1 |
/// | `directives_node_up{node}` | gauge | 1 if the node responded to the last request |
/// | `directives_history_operations_total{result}` | counter | with a recorder: operations that it `recorded`, that were `already_recorded`, that it could not see (`unseen`) or not record (`lost`) |
/// | `directives_history_failures_total` | counter | with a recorder: attempts to write to the history that failed |
/// | `directives_history_missed_polls_total` | counter | with a recorder: polls whose documents were dropped because the recorder did not keep up |
/// | `directives_history_pending` | gauge | with a recorder: records that wait to be written |
/// | `directives_build_info{version}` | gauge | 1, with the version of this library |
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// Whether the value counts events or is a current value.
    pub kind: SampleKind,
    /// The name of the metric, such as `directives_publishes_total`. The name of each counter ends
    /// in `_total`.
    pub name: &'static str,
    /// A description of the metric, in one line.
    pub help: &'static str,
    /// The name and the value of the label that distinguishes several samples of one metric.
    pub label: Option<(&'static str, String)>,
    /// The count of events since the start if the metric is a counter, or else the current value.
    pub value: f64,
}

impl Sample {
    fn new(
        kind: SampleKind,
        name: &'static str,
        help: &'static str,
        label: Option<(&'static str, &str)>,
        value: f64,
    ) -> Self {
        Self {
            kind,
            name,
            help,
            label: label.map(|(name, value)| (name, value.to_owned())),
            value,
        }
    }
}

impl Status {
    /// Converts the status into samples for a metrics library. In the returned list, all samples of
    /// one metric are adjacent.
    ///
    /// [`OpenSearchDirectiveStore::samples`](crate::OpenSearchDirectiveStore::samples) also returns
    /// the number of documents in each state.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = counters::counters(&self.counters);
        samples.extend(gauges::gauges(self));
        samples.extend(self.recorder.iter().flat_map(history_recorder::recorder));
        samples
    }

    /// Converts the status and the number of documents in each state into samples.
    pub(crate) fn samples_with(&self, published: DirectiveStates) -> Vec<Sample> {
        let mut samples = self.samples();
        samples.extend(gauges::documents_by_state(self, published));
        samples
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use opensearch_directives_core::internal::HitTotals;

    use super::*;
    use crate::status::RecorderStatus;
    use crate::{Config, OpenSearchDirectiveStore};

    /// The metrics that a store exports only after its first complete read.
    const AFTER_THE_FIRST_READ: [&str; 8] = [
        "directives_clock_skew_seconds",
        "directives_documents",
        "directives_last_attempt_timestamp_seconds",
        "directives_last_change_timestamp_seconds",
        "directives_last_read_age_seconds",
        "directives_last_success_timestamp_seconds",
        "directives_revision_max_seq_no",
        "directives_unfinished_documents",
    ];

    /// Returns the name and the kind of each metric of a store that counts hits and records the
    /// history.
    fn exported() -> BTreeSet<(String, &'static str)> {
        let config = Config::for_url("http://127.0.0.1:9200".parse().unwrap());
        let (store, _refresher) = OpenSearchDirectiveStore::build(config).unwrap();
        let mut status = store.status();
        status.recorder = Some(RecorderStatus::default());
        let mut samples = status.samples_with(store.states());
        samples.extend(hits::totals(&HitTotals::default()));
        let kind = |sample: &Sample| match sample.kind {
            SampleKind::Counter => "counter",
            SampleKind::Gauge => "gauge",
        };
        let gauges = AFTER_THE_FIRST_READ.map(|name| (name.to_owned(), "gauge"));
        let exported = samples
            .iter()
            .map(|sample| (sample.name.to_owned(), kind(sample)));
        exported.chain(gauges).collect()
    }

    #[test]
    fn the_documentation_lists_each_metric_and_only_the_names_of_counters_end_in_total() {
        let rows = include_str!("mod.rs").lines();
        let rows = rows.filter_map(|line| line.strip_prefix("/// | `"));
        let listed: BTreeSet<(String, &str)> = rows
            .map(|row| {
                let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
                let name = cells.next().unwrap().split('{').next().unwrap();
                (name.to_owned(), cells.next().unwrap())
            })
            .collect();
        assert_eq!(listed, exported());
        for (name, kind) in listed {
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        }
    }
}
