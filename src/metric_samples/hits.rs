//! Converts the counts of matches into samples: the sums over all directives, and the counts of
//! single directives if the exporter requests them.

use opensearch_directives_core::internal::HitTotals;

use super::{Sample, SampleKind};
#[cfg(feature = "prometheus")]
use crate::status::{DirectiveHits, Hits};

/// Returns samples of the matches of all directives together.
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
pub(crate) fn totals(totals: &HitTotals) -> [Sample; 3] {
    let HitTotals {
        matched,
        sampled,
        unmatched,
    } = *totals;
    [
        (
            SampleKind::Counter,
            "directives_matched_total",
            "Matches of all directives: a request counts once for each directive that it matches",
            matched,
        ),
        (
            SampleKind::Counter,
            "directives_sampled_total",
            "Matches that were in the sample of their directive",
            sampled,
        ),
        (
            SampleKind::Gauge,
            "directives_unmatched",
            "Active directives that have matched no request in this process",
            unmatched,
        ),
    ]
    .map(|(kind, name, help, value)| Sample::new(kind, name, help, None, value as f64))
}

/// Returns one sample for each of at most `limit` published directives, in the order of their ids.
/// One more sample contains the number of directives that `limit` left out.
#[cfg(feature = "prometheus")]
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
pub(crate) fn by_directive(hits: &Hits, limit: usize) -> Vec<Sample> {
    let published = || hits.directives.iter().filter(|hits| hits.published);
    let family = |name, help, count: fn(&DirectiveHits) -> u64| {
        published().take(limit).map(move |hits| {
            let label = Some(("directive", hits.id.as_str()));
            Sample::new(SampleKind::Counter, name, help, label, count(hits) as f64)
        })
    };
    let matched = family(
        "directives_matched_by_directive_total",
        "Requests that the directive matched",
        |hits| hits.matched,
    );
    let sampled = family(
        "directives_sampled_by_directive_total",
        "Matched requests that were in the sample of the directive",
        |hits| hits.sampled,
    );
    let unlabelled = Sample::new(
        SampleKind::Gauge,
        "directives_without_series",
        "Directives that have no series of their own because of the limit",
        None,
        published().count().saturating_sub(limit) as f64,
    );
    matched.chain(sampled).chain([unlabelled]).collect()
}
