//! Tests of the evaluator, the extractor and the layer, with services of `tower` and an in-memory
//! store.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod evaluator;
mod extractor;
mod layer;

use std::sync::Arc;

use http::Request;
use http::request::Parts;
use jiff::Timestamp;
use opensearch_directives_core::{
    DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet, InMemoryDirectiveStore,
};

use super::{Evaluator, RestExtractor};

/// Creates a directive that never expires.
fn directive(id: &str, level: DiagLevel, match_: DirectiveMatch) -> DiagnosticsDirective {
    DiagnosticsDirective::new(id, level, Timestamp::MAX).with_match(match_)
}

/// Creates an evaluator that uses the given directives. The evaluator takes the tenant and the
/// principal from headers.
fn evaluator(directives: Vec<DiagnosticsDirective>) -> Evaluator {
    let set = DirectiveSet::from_directives(directives);
    let store = InMemoryDirectiveStore::new().with_directives(set);
    Evaluator::new(Arc::new(store)).with_extractor(
        RestExtractor::new()
            .with_tenant_header("x-tenant".parse().unwrap())
            .with_principal_header("x-principal".parse().unwrap()),
    )
}

/// Creates a directive for the tenant `acme`.
fn for_acme() -> DiagnosticsDirective {
    directive(
        "acme",
        DiagLevel::Shape,
        DirectiveMatch::all().for_tenant("acme"),
    )
}

/// Creates a request with the given headers, and with a body whose type implements no trait.
fn request(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut builder = Request::get(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body).unwrap()
}

fn parts(path: &str, headers: &[(&str, &str)]) -> Parts {
    request(path, headers).into_parts().0
}

struct Body;
