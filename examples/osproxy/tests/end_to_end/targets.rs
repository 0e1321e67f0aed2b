//! Tests each kind of target of a directive. A directive with one target must affect only the
//! requests with the targeted value, and a directive that has ended must affect no request.

use std::time::Duration;

use hyper::Method;
use opensearch_directives::document::{Draft, Expiry};
use opensearch_directives::{DiagLevel, DirectiveMatch, EndpointKind};

use super::client::{Call, Connection};
use super::proxy::{Effects, Proxy};

/// Returns the requests of this test, each with a name. The requests differ in the values that a
/// directive can target.
fn calls() -> Vec<(&'static str, Call<'static>)> {
    let call = |method, path, tenant, principal, body| Call {
        method,
        path,
        tenant: Some(tenant),
        principal,
        body,
    };
    let document = r#"{"tenant_id":"acme","id":"1","total":7}"#;
    let other = r#"{"tenant_id":"globex","id":"1","total":7}"#;
    vec![
        (
            "acme writes",
            call(&Method::PUT, "/orders/_doc/1", "acme", "checkout", document),
        ),
        (
            "globex writes",
            call(&Method::PUT, "/orders/_doc/1", "globex", "checkout", other),
        ),
        (
            "acme reads",
            call(&Method::GET, "/orders/_doc/1", "acme", "checkout", ""),
        ),
        (
            "acme reads invoices",
            call(&Method::GET, "/invoices/_doc/1", "acme", "checkout", ""),
        ),
        (
            "acme reads as billing",
            call(&Method::GET, "/orders/_doc/1", "acme", "billing", ""),
        ),
        (
            "acme counts",
            call(&Method::POST, "/orders/_count", "acme", "checkout", "{}"),
        ),
        (
            "acme searches",
            call(&Method::POST, "/orders/_search", "acme", "checkout", "{}"),
        ),
        (
            "acme deletes",
            call(&Method::DELETE, "/orders/_doc/1", "acme", "checkout", ""),
        ),
    ]
}

/// Sends each request of the test, and returns the names of the requests on which the directive had
/// all its effects.
async fn recorded(proxy: &Proxy, connection: &mut Connection) -> Vec<&'static str> {
    let mut recorded = Vec::new();
    for (what, call) in calls() {
        let answer = connection.send(call).await;
        let body = String::from_utf8_lossy(&answer.body);
        assert!(
            (200..300).contains(&answer.status),
            "{what}: {} {body}",
            answer.status
        );
        match proxy.effects(&answer.request_id, &proxy.tape()) {
            Effects::NONE => {}
            Effects::ALL => recorded.push(what),
            some => panic!("{what}: {some:?}"),
        }
    }
    recorded
}

async fn takes_effect_and_ends(name: &str, match_: DirectiveMatch, matching: &[&str]) {
    let proxy = Proxy::start(name, Duration::from_mins(10)).await;
    let mut connection = Connection::open(proxy.address).await;
    assert!(recorded(&proxy, &mut connection).await.is_empty());

    let mut draft = Draft::new(
        name,
        DiagLevel::Shape,
        Expiry::After(Duration::from_mins(5)),
    );
    draft.match_ = match_;
    (draft.ring_buffer, draft.capture) = (true, true);
    proxy.writer.apply(&[draft]).await.unwrap();
    proxy.has_directives(1).await;
    assert_eq!(recorded(&proxy, &mut connection).await, matching);

    proxy.writer.revoke(name, Some("the tests")).await.unwrap();
    proxy.has_directives(0).await;
    assert!(recorded(&proxy, &mut connection).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn by_tenant() {
    let all_but_globex: Vec<_> = calls()
        .iter()
        .map(|(what, _)| *what)
        .filter(|what| *what != "globex writes")
        .collect();
    let acme = DirectiveMatch::all().for_tenant("acme");
    takes_effect_and_ends("by-tenant", acme, &all_but_globex).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_index() {
    let invoices = DirectiveMatch::all().for_index("invoices");
    takes_effect_and_ends("by-index", invoices, &["acme reads invoices"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_principal() {
    let billing = DirectiveMatch::all().for_principal("billing");
    takes_effect_and_ends("by-principal", billing, &["acme reads as billing"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_endpoint() {
    let writes = DirectiveMatch::all().for_endpoint(EndpointKind::IngestDoc);
    takes_effect_and_ends("by-endpoint", writes, &["acme writes", "globex writes"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_all_of_them_together() {
    let match_ = DirectiveMatch::all()
        .for_tenant("acme")
        .for_index("orders")
        .for_principal("checkout")
        .for_endpoint(EndpointKind::DeleteById);
    takes_effect_and_ends("by-all", match_, &["acme deletes"]).await;
}
