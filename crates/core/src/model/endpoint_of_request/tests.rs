//! Tests how paths of OpenSearch's REST API are classified, and which indices and principals match
//! a directive. The tests of the osproxy example also compare the classification of requests with
//! that of osproxy.

use jiff::Timestamp;

use super::*;
use crate::{
    Decision, DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet, RequestAttrs,
};

#[test]
fn the_rest_paths_of_documents_and_searches_have_a_kind() {
    use EndpointKind::{
        Count, Cursor, DeleteById, DeleteByQuery, GetById, IngestBulk, IngestDoc, MultiGet,
        MultiSearch, Search,
    };
    for (method, path, kind, indices) in [
        ("PUT", "/orders/_doc/1", IngestDoc, "orders"),
        ("POST", "/orders/_doc", IngestDoc, "orders"),
        ("PUT", "/orders/_create/1", IngestDoc, "orders"),
        ("POST", "/orders/_create/1", IngestDoc, "orders"),
        ("GET", "/orders/_doc/1?routing=a/b", GetById, "orders"),
        ("HEAD", "/orders/_doc/1", GetById, "orders"),
        ("DELETE", "/orders/_doc/1", DeleteById, "orders"),
        ("POST", "/_bulk", IngestBulk, ""),
        ("PUT", "/orders/_bulk", IngestBulk, "orders"),
        ("GET", "/_search", Search, ""),
        ("POST", "/orders/_search", Search, "orders"),
        ("POST", "/orders,logs-*/_search", Search, "orders,logs-*"),
        ("GET", "//orders//_search/", Search, "orders"),
        ("POST", "/_msearch", MultiSearch, ""),
        ("POST", "/orders/_msearch", MultiSearch, "orders"),
        ("GET", "/orders/_count", Count, "orders"),
        ("POST", "/_mget", MultiGet, ""),
        ("GET", "/orders/_mget", MultiGet, "orders"),
        ("POST", "/orders/_delete_by_query", DeleteByQuery, "orders"),
        ("POST", "/_search/scroll", Cursor, ""),
        ("DELETE", "/_search/scroll/c2Nyb2xs", Cursor, ""),
        ("POST", "/orders/_search/point_in_time", Cursor, "orders"),
        ("DELETE", "/_search/point_in_time", Cursor, ""),
    ] {
        let endpoint = Endpoint::of(method, path);
        assert_eq!(endpoint.kind(), kind, "{method} {path}");
        assert_eq!(endpoint.index_expression(), indices, "{method} {path}");
    }
}

#[test]
fn administration_has_no_index_and_other_paths_are_unknown() {
    for path in [
        "/_cat",
        "/_cat/indices/orders",
        "/_cluster/health",
        "/_nodes",
    ] {
        let endpoint = Endpoint::of("GET", path);
        assert_eq!(endpoint.kind(), EndpointKind::Admin, "{path}");
        assert_eq!(endpoint.index_expression(), "", "{path}");
    }
    for (method, path, indices) in [
        ("GET", "/", ""),
        ("GET", "", ""),
        ("GET", "/orders", "orders"),
        ("GET", "/_sql", "_sql"),
        ("GET", "/_catalog", "_catalog"),
        ("GET", "/_count", "_count"),
        ("GET", "/orders/_doc", "orders"),
        ("PATCH", "/orders/_doc/1", "orders"),
        ("POST", "/orders/_update/1", "orders"),
        ("GET", "/orders/_mapping", "orders"),
        ("GET", "/orders/_search/template", "orders"),
        ("GET", "/orders/_search/point_in_time/_all", "orders"),
        ("GET", "/orders/_doc/1/_source", "orders"),
    ] {
        let endpoint = Endpoint::of(method, path);
        assert_eq!(endpoint.kind(), EndpointKind::Unknown, "{method} {path}");
        assert_eq!(endpoint.index_expression(), indices, "{method} {path}");
    }
}

/// Evaluates a request once for each index in its path, and returns the highest level of the
/// decisions.
fn level(set: &DirectiveSet, path: &str, principal: &str) -> DiagLevel {
    let endpoint = Endpoint::of("GET", path);
    let now = Timestamp::UNIX_EPOCH;
    let decisions = endpoint.indices().map(|index| {
        let attrs = RequestAttrs::new(&index, principal, endpoint.kind());
        set.evaluate(&attrs, now, "request-1")
    });
    let decision = decisions.fold(Decision::default(), std::ops::BitOr::bitor);
    let attrs = RequestAttrs::new(endpoint.index_expression(), principal, endpoint.kind());
    let at_once = set.evaluate_indices_with(&attrs, now, "request-1", |_| {});
    assert_eq!(at_once, decision, "{path}");
    decision.level
}

fn set_of(match_: DirectiveMatch) -> DirectiveSet {
    let directive = DiagnosticsDirective::new("d", DiagLevel::Shape, Timestamp::MAX);
    DirectiveSet::from_directives(vec![directive.with_match(match_)])
}

#[test]
fn a_request_matches_by_each_index_that_it_names() {
    let orders = set_of(DirectiveMatch::all().for_index("orders"));
    let logs = set_of(DirectiveMatch::all().for_index("logs-*"));
    let all = set_of(DirectiveMatch::all());
    for (path, by_orders, by_logs) in [
        ("/orders/_search", true, false),
        ("/a,orders,b/_search", true, false),
        ("/a,b/_search", false, false),
        // A wildcard counts as a name, so a request to `logs-*` matches only a directive whose
        // index is exactly `logs-*`.
        ("/logs-*/_search", false, true),
        ("/logs-1/_search", false, false),
        ("/ord*/_search", false, false),
        ("/_all/_search", false, false),
        // Index names are percent-decoded, and an encoded comma separates two names.
        ("/%6Frders/_search", true, false),
        ("/a%2Corders%2cb/_search", true, false),
        ("/logs-%2A/_search", false, true),
        ("/a%252Corders/_search", false, false),
        ("/%zz,orders/_search", true, false),
        // A directive that targets an index does not apply to a request without an index.
        ("/_search", false, false),
        ("/_bulk", false, false),
    ] {
        let applies = |set| level(set, path, "checkout") == DiagLevel::Shape;
        assert_eq!(
            (applies(&orders), applies(&logs)),
            (by_orders, by_logs),
            "{path}"
        );
        assert!(applies(&all), "{path}");
    }
}

#[test]
fn a_request_without_a_principal_or_tenant_matches_no_directive_with_one() {
    let principal = set_of(DirectiveMatch::all().for_principal("checkout"));
    assert_eq!(
        level(&principal, "/orders/_search", "checkout"),
        DiagLevel::Shape
    );
    assert_eq!(level(&principal, "/orders/_search", ""), DiagLevel::Off);
    let tenant = set_of(DirectiveMatch::all().for_tenant("acme"));
    assert_eq!(
        level(&tenant, "/orders/_search", "checkout"),
        DiagLevel::Off
    );
}

#[test]
fn combined_decisions_include_both() {
    let mut one = Decision::default();
    (one.level, one.capture) = (DiagLevel::ShapeTiming, true);
    let mut other = Decision::default();
    (other.level, other.ring_buffer) = (DiagLevel::Shape, true);
    let both = one | other;
    assert_eq!(both, other | one);
    assert_eq!(both.level, DiagLevel::ShapeTiming);
    assert!(both.ring_buffer && both.capture);
    assert_eq!(one | Decision::default(), one);
}
