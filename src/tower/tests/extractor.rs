//! Tests which attributes the extractor of OpenSearch requests takes from paths and headers.

use http::Method;
use opensearch_directives_core::EndpointKind as Kind;

use super::*;
use crate::tower::Extractor as _;

#[test]
fn endpoint_and_index_come_from_method_and_path() {
    for (method, path, kind, index) in [
        ("GET", "/orders/_doc/1", Kind::GetById, "orders"),
        ("DELETE", "/orders/_doc/1", Kind::DeleteById, "orders"),
        (
            "POST",
            "/orders/_bulk?refresh=true",
            Kind::IngestBulk,
            "orders",
        ),
        ("GET", "/orders,items/_search", Kind::Search, "orders,items"),
        ("GET", "/_cat/indices", Kind::Admin, ""),
        ("GET", "/", Kind::Unknown, ""),
    ] {
        let mut request = parts(path, &[]);
        request.method = method.parse::<Method>().unwrap();
        let extractor = RestExtractor::new();
        let extracted = extractor.extract(&request);
        let attrs = extracted.attrs();
        assert_eq!(
            (attrs.endpoint, attrs.index),
            (kind, index),
            "{method} {path}"
        );
    }
}

#[test]
fn headers_are_used_only_if_they_are_configured_and_unambiguous() {
    let headers = [
        ("x-tenant", "acme"),
        ("x-principal", "ann"),
        ("x-request-id", "r1"),
    ];
    let configured = || {
        RestExtractor::new()
            .with_tenant_header("x-tenant".parse().unwrap())
            .with_principal_header("x-principal".parse().unwrap())
    };
    let seen = |extractor: RestExtractor, headers: &[(&str, &str)]| {
        let request = parts("/", headers);
        let extracted = extractor.extract(&request);
        (
            extracted.attrs().tenant.map(str::to_owned),
            extracted.attrs().principal.to_owned(),
            extracted.request_id().as_str().to_owned(),
        )
    };
    let text = |tenant: Option<&str>, principal: &str, id: &str| {
        (
            tenant.map(str::to_owned),
            principal.to_owned(),
            id.to_owned(),
        )
    };
    assert_eq!(
        seen(configured(), &headers),
        text(Some("acme"), "ann", "r1")
    );
    assert_eq!(seen(RestExtractor::new(), &headers), text(None, "", "r1"));
    assert_eq!(seen(configured(), &[]), text(None, "", ""));
    let ambiguous = [
        ("x-tenant", "globex"),
        ("x-tenant", "acme"),
        ("x-principal", ""),
    ];
    assert_eq!(seen(configured(), &ambiguous), text(None, "", ""));
    let not_ascii = [("x-tenant", "caf\u{e9}")];
    assert_eq!(
        seen(configured(), &not_ascii),
        text(Some("caf\u{e9}"), "", "")
    );
    let mut not_utf8 = parts("/", &[]);
    let value = http::HeaderValue::from_bytes(b"caf\xe9").unwrap();
    not_utf8.headers.insert("x-tenant", value);
    assert_eq!(configured().extract(&not_utf8).attrs().tenant, None);
    let other_id = RestExtractor::new().with_request_id_header("x-tenant".parse().unwrap());
    assert_eq!(seen(other_id, &headers), text(None, "", "acme"));
}
