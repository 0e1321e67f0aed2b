//! A fuzz target that decodes text as a stored document. If the decoder accepts the text, the
//! decoded document must have the same fields as the JSON text. If the target encodes and decodes
//! an accepted document again, the result must be the same document.

use opensearch_directives::document::{Document, decode, encode};
use serde_json::Value;

use crate::{check_message, limits};

pub(crate) fn run(input: &[u8]) {
    let Ok(source) = std::str::from_utf8(input) else {
        return;
    };
    match decode("d", source, &limits()) {
        Ok(borrowed) => {
            let document = borrowed.to_document();
            check_targets(&document, source);
            let json = encode(&document, &limits()).expect("an accepted document can be encoded");
            let again = decode("d", json.get(), &limits()).expect("the encoded form is accepted");
            assert_eq!(again.to_document(), document);
        }
        Err(rejection) => {
            let text = rejection.to_string();
            assert!(text.starts_with(rejection.field()), "{text:?}");
            check_message(&text, 2048);
        }
    }
}

/// Compares an accepted document with the fields of its JSON, which a general JSON parser has read.
fn check_targets(document: &Document, source: &str) {
    let value: Value = serde_json::from_str(source).expect("an accepted document is JSON");
    let text = |name: &str| {
        let value = value.get(name)?;
        Some(value.as_str().expect("a target is a text").to_owned())
    };
    let match_ = &document.directive.match_;
    assert_eq!(match_.tenant, text("tenant"));
    assert_eq!(match_.index, text("index"));
    assert_eq!(match_.principal, text("principal"));
    let endpoint = match_.endpoint.map(|kind| kind.as_str().to_owned());
    assert_eq!(endpoint, text("endpoint"));
    for target in [&match_.tenant, &match_.index, &match_.principal] {
        assert_ne!(target.as_deref(), Some(""));
    }
    let rate = value.get("sample_per_mille").and_then(Value::as_u64);
    let found = u64::from(document.directive.sample_per_mille);
    assert_eq!(Some(found), rate, "a missing rate is refused");
    for (name, switch) in [
        ("ring_buffer", document.directive.ring_buffer),
        ("capture", document.directive.capture),
    ] {
        let written = value.get(name).map_or(Some(false), Value::as_bool);
        assert_eq!(Some(switch), written, "{name}");
    }
    check_required_fields(document, &value);
}

/// Checks that the JSON of an accepted document has all required fields, and that its field
/// `targets` names exactly the targets of the document.
fn check_required_fields(document: &Document, value: &Value) {
    for name in ["level", "starts_at", "expires_at"] {
        assert!(value[name].is_string(), "{name}");
    }
    assert_eq!(value["revoked"], document.revoked);
    let named = value["targets"].as_array().expect("targets are a list");
    let present = ["tenant", "index", "principal", "endpoint"]
        .into_iter()
        .filter(|name| value.get(*name).is_some());
    let (mut named, mut present): (Vec<_>, Vec<_>) = (
        named.iter().filter_map(Value::as_str).collect(),
        present.collect(),
    );
    named.sort_unstable();
    present.sort_unstable();
    assert_eq!(named, present);
    let is_revoked = document.audit.revoked_at.is_some();
    assert_eq!(is_revoked, value.get("revoked_at").is_some());
    assert!(value.get("ttl_secs").is_none());
}
