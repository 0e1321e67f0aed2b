//! Finds planned directives that would have no effect, because another directive already covers
//! them.
//!
//! If several directives match a request, the highest of their levels applies. A request that is in
//! a small sample is also in every larger sample. A directive therefore has no effect if another
//! directive matches at least the same requests, applies at least as long, and records at least as
//! much.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use opensearch_directives::admin::{DirectivesApi, PlannedKind, PlannedWrite, Stored};
use opensearch_directives::document::Document;
use opensearch_directives::{DiagnosticsDirective, DirectiveMatch};

use super::directive_text::{printable, summary};
use super::instant::until;
use super::output;

/// Prints a warning for each planned directive that another directive covers.
///
/// If the other directives cannot be read, the write continues without a warning, because the
/// warning is only a hint.
pub(super) async fn warn(api: &DirectivesApi, plan: &[PlannedWrite], now: Timestamp) {
    if !plan.iter().any(is_written) {
        return;
    }
    match api.list().await {
        Ok(stored) => output::warn(&warnings(&stored, plan, now)),
        Err(error) => output::warn(&[format!(
            "cannot check whether another directive makes this superfluous: {error}"
        )]),
    }
}

fn warnings(stored: &[Stored], plan: &[PlannedWrite], now: Timestamp) -> Vec<String> {
    let planned: HashSet<&str> = plan.iter().map(|planned| planned.id.as_str()).collect();
    let others = stored
        .iter()
        .filter(|stored| !planned.contains(stored.id.as_str()))
        .filter_map(|stored| stored.document.as_ref().ok());
    let after = plan.iter().filter_map(|planned| planned.after.as_ref());
    let candidates = Candidates::new(others.chain(after).filter(|one| applies(one, now)));
    let written = plan.iter().filter(|planned| is_written(planned));
    written
        .filter_map(|planned| {
            let directive = &planned.after.as_ref()?.directive;
            let other = candidates.that_cover(directive, now)?;
            Some(format!(
                "{}: it adds nothing, because {} already records as much of these requests ({}; \
                 {})",
                printable(&directive.id),
                printable(&other.directive.id),
                summary(other),
                until(other.directive.expires_at, now),
            ))
        })
        .collect()
}

fn is_written(planned: &PlannedWrite) -> bool {
    matches!(planned.kind(), PlannedKind::Create | PlannedKind::Replace)
}

fn applies(document: &Document, now: Timestamp) -> bool {
    !document.revoked && document.directive.expires_at > now
}

/// The directives that may cover a planned directive, grouped by their targets.
struct Candidates<'a>(HashMap<&'a DirectiveMatch, Vec<&'a Document>>);

impl<'a> Candidates<'a> {
    fn new(documents: impl Iterator<Item = &'a Document>) -> Self {
        let mut all: HashMap<_, Vec<_>> = HashMap::new();
        for document in documents {
            let match_ = &document.directive.match_;
            all.entry(match_).or_default().push(document);
        }
        Self(all)
    }

    /// Returns the first candidate that covers the given directive, or `None` if no candidate does.
    /// If two directives cover each other, the one with the smaller id covers the one with the
    /// greater id.
    fn that_cover(&self, directive: &DiagnosticsDirective, now: Timestamp) -> Option<&'a Document> {
        wider(&directive.match_)
            .iter()
            .filter_map(|match_| self.0.get(match_))
            .flatten()
            .copied()
            .find(|other| {
                let other = &other.directive;
                other.id != directive.id
                    && covers(other, directive, now)
                    && (!covers(directive, other, now) || other.id < directive.id)
            })
    }
}

/// Returns all subsets of the targets of a directive. Only a directive whose targets are a subset
/// of the given ones can cover the given directive, because fewer targets match more requests.
fn wider(match_: &DirectiveMatch) -> Vec<DirectiveMatch> {
    let mut all = vec![match_.clone()];
    let removals: [fn(&mut DirectiveMatch); 4] = [
        |match_| match_.tenant = None,
        |match_| match_.index = None,
        |match_| match_.principal = None,
        |match_| match_.endpoint = None,
    ];
    for remove in removals {
        for n in 0..all.len() {
            let mut less = all[n].clone();
            remove(&mut less);
            if !all.contains(&less) {
                all.push(less);
            }
        }
    }
    all
}

/// Returns true if `one` has no effect because `other` records at least as much for at least the
/// same requests, does not start later, and does not end earlier.
fn covers(other: &DiagnosticsDirective, one: &DiagnosticsDirective, now: Timestamp) -> bool {
    let start =
        |directive: &DiagnosticsDirective| directive.starts_at.map_or(now, |at| at.max(now));
    wider(&one.match_).contains(&other.match_)
        && other.level >= one.level
        && other.sample_per_mille >= one.sample_per_mille
        && other.ring_buffer >= one.ring_buffer
        && other.capture >= one.capture
        && start(other) <= start(one)
        && other.expires_at >= one.expires_at
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use opensearch_directives::{DiagLevel, EndpointKind};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn directive(id: &str) -> DiagnosticsDirective {
        let mut directive = DiagnosticsDirective::new(id, DiagLevel::Shape, at(1_000));
        directive.match_ = DirectiveMatch::all().for_tenant("acme").for_index("orders");
        directive.sample_per_mille = 100;
        directive
    }

    #[test]
    fn a_directive_covers_another_only_if_it_matches_and_records_as_much_for_as_long() {
        type Edit = fn(&mut DiagnosticsDirective);
        let cases: [(&str, bool, Edit); 13] = [
            ("equal", true, |_| {}),
            ("fewer targets", true, |d| d.match_.index = None),
            ("no target", true, |d| d.match_ = DirectiveMatch::all()),
            ("higher level", true, |d| d.level = DiagLevel::ShapeTiming),
            ("ring buffer, too", true, |d| d.ring_buffer = true),
            ("started", true, |d| d.starts_at = Some(at(-5))),
            ("one more target", false, |d| {
                d.match_.endpoint = Some(EndpointKind::Search);
            }),
            ("another tenant", false, |d| {
                d.match_.tenant = Some("umbrella".to_owned());
            }),
            ("lower level", false, |d| d.level = DiagLevel::Off),
            ("lower sample", false, |d| d.sample_per_mille = 99),
            ("earlier end", false, |d| d.expires_at = at(999)),
            ("later start", false, |d| d.starts_at = Some(at(1))),
            ("other requests", false, |d| {
                d.match_ = DirectiveMatch::all().for_principal("svc");
            }),
        ];
        for (what, expected, edit) in cases {
            let mut other = directive("other");
            edit(&mut other);
            assert_eq!(covers(&other, &directive("one"), at(0)), expected, "{what}");
        }
        let mut captures = directive("one");
        captures.capture = true;
        assert!(!covers(&directive("other"), &captures, at(0)));
    }

    #[test]
    fn of_two_equal_directives_one_is_superfluous() {
        let documents = ["a", "b"].map(|id| Document::new(directive(id)));
        let candidates = Candidates::new(documents.iter());
        let cover = |id: &str| {
            let found = candidates.that_cover(&directive(id), at(0));
            found.map(|document| document.directive.id.clone())
        };
        assert_eq!(cover("a"), None);
        assert_eq!(cover("b"), Some("a".to_owned()));
    }
}
