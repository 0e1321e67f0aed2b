//! Tests how the evaluator handles several indices, many ids, the clock, sampling, and closures as
//! extractors.

use opensearch_directives_core::{EndpointKind, RequestAttrs, RequestId};

use super::*;
use crate::clock::Clock;
use crate::tower::{AppliedDirectives, Extracted};

fn ids(applied: Option<&AppliedDirectives>) -> Vec<&str> {
    let mut ids: Vec<_> = applied.iter().flat_map(|applied| applied.ids()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn each_index_of_a_list_is_evaluated_and_a_directive_counts_once() {
    let for_index = |index: &str| DirectiveMatch::all().for_index(index);
    let evaluator = evaluator(vec![
        directive("items", DiagLevel::Shape, for_index("items")).with_capture(true),
        directive("orders", DiagLevel::ShapeTiming, for_index("orders")),
        directive("users", DiagLevel::ShapeRewriteDiff, for_index("users")),
        directive("any", DiagLevel::Shape, DirectiveMatch::all()).with_ring_buffer(true),
    ]);
    let applied = evaluator.evaluate(&parts("/orders,items/_search", &[]));
    assert_eq!(ids(applied.as_ref()), ["any", "items", "orders"]);
    let decision = applied.unwrap().decision();
    assert_eq!(decision.level, DiagLevel::ShapeTiming);
    assert!(decision.capture && decision.ring_buffer);

    // The evaluator does not expand index patterns and does not decode percent-encoding. A request
    // whose path names no index matches no directive that targets an index.
    for path in [
        "/ord*/_search",
        "/_search",
        "/_all/_search",
        "/%6Frders/_search",
    ] {
        assert_eq!(
            ids(evaluator.evaluate(&parts(path, &[])).as_ref()),
            ["any"],
            "{path}"
        );
    }
}

#[test]
fn more_directives_than_ids_are_kept_all_decide_and_the_result_says_so() {
    let with = |count: usize| {
        let mut directives: Vec<_> = (1..count)
            .map(|n| directive(&format!("d{n}"), DiagLevel::Shape, DirectiveMatch::all()))
            .collect();
        let most = DiagLevel::ShapeRewriteDiff;
        directives.push(directive("most", most, DirectiveMatch::all()));
        evaluator(directives).evaluate(&parts("/", &[])).unwrap()
    };
    let full = with(AppliedDirectives::MAX_IDS);
    assert_eq!(full.ids().count(), AppliedDirectives::MAX_IDS);
    assert!(!full.has_more());
    let more = with(AppliedDirectives::MAX_IDS + 1);
    assert_eq!(more.ids().count(), AppliedDirectives::MAX_IDS);
    assert!(more.has_more());
    assert_eq!(more.decision().level, DiagLevel::ShapeRewriteDiff);
}

#[derive(Debug)]
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[test]
fn a_directive_ends_at_its_expiry_by_the_clock_of_the_evaluator() {
    let expiry: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let applies_at = |now| {
        let directive = DiagnosticsDirective::new("a", DiagLevel::Shape, expiry);
        let evaluator = evaluator(vec![directive]).with_clock(Arc::new(At(now)));
        evaluator.evaluate(&parts("/", &[])).is_some()
    };
    assert!(applies_at(expiry - jiff::SignedDuration::from_nanos(1)));
    assert!(!applies_at(expiry));
}

#[test]
fn a_request_without_an_id_is_in_no_sample() {
    let sampled =
        directive("a", DiagLevel::Shape, DirectiveMatch::all()).with_sample_per_mille(999);
    let evaluator = evaluator(vec![sampled]);
    let applies = |headers: &[_]| evaluator.evaluate(&parts("/", headers)).is_some();
    assert!(applies(&[("x-request-id", "request-1")]));
    assert!(!applies(&[]));
    assert!(!applies(&[("x-request-id", " ")]));
}

#[test]
fn a_closure_can_be_the_extractor() {
    #[derive(Clone)]
    struct Tenant(String);
    let evaluator = evaluator(vec![for_acme()]).with_extractor_fn(|request| {
        let tenant = request.extensions.get::<Tenant>();
        let mut attrs = RequestAttrs::new("", "", EndpointKind::Unknown);
        attrs.tenant = tenant.map(|tenant| tenant.0.as_str());
        Extracted::new(attrs, RequestId::default())
    });
    let mut request = parts("/", &[]);
    assert!(evaluator.evaluate(&request).is_none());
    request.extensions.insert(Tenant("acme".into()));
    assert_eq!(ids(evaluator.evaluate(&request).as_ref()), ["acme"]);
}
