//! Decodes arbitrary text as a stored document. The decoder must not panic, an accepted document
//! must agree with its JSON and survive encoding, and a rejection must be short.

#![no_main]

use std::time::Duration;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use opensearch_directives::document::{DecodeLimits, Document, Rejection, decode, encode};
use serde_json::Value;

fuzz_target!(|source: &str| {
    let limits = DecodeLimits {
        now: Timestamp::UNIX_EPOCH,
        max_ttl: Duration::MAX,
    };
    match decode("d", source, &limits) {
        Ok(borrowed) => {
            let document = borrowed.to_document();
            agrees_with_the_json(&document, source);
            let json = encode(&document, &limits).expect("an accepted document can be encoded");
            let again = decode("d", json.get(), &limits).expect("an encoded document is accepted");
            assert_eq!(again.to_document(), document);
        }
        Err(rejection) => is_fit_for_a_log(&rejection),
    }
});

/// Compares an accepted document with its JSON, which `serde_json` parses independently.
fn agrees_with_the_json(document: &Document, source: &str) {
    let value: Value = serde_json::from_str(source).expect("it was JSON");
    let text = |name: &str| {
        let value = value.get(name)?;
        Some(value.as_str().expect("a target is a text").to_owned())
    };
    let match_ = &document.directive.match_;
    assert_eq!(match_.tenant, text("tenant"));
    assert_eq!(match_.index, text("index"));
    assert_eq!(match_.principal, text("principal"));
    assert_eq!(
        match_.endpoint.map(|kind| kind.as_str().to_owned()),
        text("endpoint")
    );
    for target in [&match_.tenant, &match_.index, &match_.principal] {
        assert_ne!(target.as_deref(), Some(""));
    }
    let rate = value.get("sample_per_mille");
    assert_eq!(
        Some(u64::from(document.directive.sample_per_mille)),
        rate.and_then(Value::as_u64),
        "a missing rate is refused"
    );
    for (name, switch) in [
        ("ring_buffer", document.directive.ring_buffer),
        ("capture", document.directive.capture),
    ] {
        let written = value.get(name);
        assert_eq!(Some(switch), written.map_or(Some(false), Value::as_bool));
    }
    agrees_with_the_required_fields(document, &value);
}

/// Checks that the required fields are present, and that `targets` names exactly the targets.
fn agrees_with_the_required_fields(document: &Document, value: &Value) {
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
    assert_eq!(
        document.audit.revoked_at.is_some(),
        value.get("revoked_at").is_some()
    );
    assert!(value.get("ttl_secs").is_none());
}

fn is_fit_for_a_log(rejection: &Rejection) {
    let text = rejection.to_string();
    assert!(text.starts_with(rejection.field()));
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.len() < 2048, "{text:?}");
}
