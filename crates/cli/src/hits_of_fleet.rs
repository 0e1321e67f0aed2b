//! `directives hits --fleet`: adds up the counts of matches in the reports of all live instances.
//! An operator finds directives with a wrong target by their counts, because no instance counts a
//! match of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use opensearch_directives::admin::DirectivesApi;
use opensearch_directives::fleet::{Fleet, InstanceReport};
use serde::Serialize;

use super::duration::length;
use super::exit::Failure;
use super::hits::counts;
use super::output::note;
use super::report_wording::count;

pub(super) const HEADER: [&str; 6] = [
    "ID",
    "INSTANCES",
    "MATCHED",
    "SAMPLED",
    "LAST MATCH",
    "COUNTED SINCE",
];

/// The counts of one active directive, added up over all live instances.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Row {
    pub(super) id: String,
    /// The number of live instances whose reports contain counts of the directive.
    instances: usize,
    matched: u64,
    sampled: u64,
    pub(super) last_matched: Option<Timestamp>,
    /// The earliest time at which a live instance began to count the matches of the directive.
    pub(super) counted_since: Timestamp,
}

impl Row {
    pub(super) fn cells(&self, now: Timestamp) -> Vec<String> {
        let counts = counts(
            self.matched,
            self.sampled,
            self.last_matched,
            self.counted_since,
            now,
        );
        [self.id.clone(), self.instances.to_string()]
            .into_iter()
            .chain(counts)
            .collect()
    }
}

/// Reads the reports of all instances from the index of the fleet. Returns the counts of the active
/// directives, in the order of their ids, and the current time of the cluster.
pub(super) async fn read(api: &DirectivesApi) -> Result<(Vec<Row>, Timestamp), Failure> {
    let fleet = api.fleet().await?;
    let live = fleet.reports.iter();
    let live: Vec<_> = live
        .filter(|report| fleet.state(report).is_live())
        .collect();
    note(&origin(&live, &fleet));
    let omitted: u64 = live.iter().filter_map(|report| report.hits_omitted).sum();
    if omitted > 0 {
        note(&format!(
            "the reports omit {}; an agent shows all of its directives (--agent)",
            count(omitted, "count")
        ));
    }
    Ok((added_up(&live), fleet.now))
}

/// Describes which instances the counts come from, and how old the oldest of their reports is.
fn origin(live: &[&InstanceReport], fleet: &Fleet) -> String {
    let is_counting = |report: &&&InstanceReport| report.hits_omitted.is_some();
    let counting: Vec<_> = live.iter().filter(is_counting).collect();
    let oldest = counting.iter().map(|report| report.reported_at).min();
    let reported = oldest.map_or_else(String::new, |oldest| {
        format!(", reported within the last {}", age(oldest, fleet.now))
    });
    let counting = count(counting.len(), "live instance");
    let mut parts = vec![format!("counts of {counting}{reported}")];
    let others = live.iter().filter(|report| report.hits_omitted.is_none());
    match others.count() {
        0 => {}
        1 => parts.push("1 live instance does not count".to_owned()),
        others => parts.push(format!("{others} live instances do not count")),
    }
    let unknown = fleet.omitted + fleet.unreadable.len() as u64;
    if unknown > 0 {
        parts.push(format!("{} not read", count(unknown, "report")));
    }
    parts.join("; ")
}

/// Formats the time since an instance wrote its report. A report from the future counts as just
/// written, because the clocks of the cluster and of the instance may differ slightly.
fn age(reported_at: Timestamp, now: Timestamp) -> String {
    length(now.max(reported_at).duration_since(reported_at))
}

fn added_up(live: &[&InstanceReport]) -> Vec<Row> {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for hits in live.iter().flat_map(|report| &report.hits) {
        let row = rows.entry(&hits.id).or_insert_with(|| Row {
            id: hits.id.clone(),
            instances: 0,
            matched: 0,
            sampled: 0,
            last_matched: None,
            counted_since: hits.counted_since,
        });
        row.instances += 1;
        row.matched = row.matched.saturating_add(hits.matched);
        row.sampled = row.sampled.saturating_add(hits.count);
        row.last_matched = row.last_matched.max(hits.last_matched);
        row.counted_since = row.counted_since.min(hits.counted_since);
    }
    rows.into_values().collect()
}
