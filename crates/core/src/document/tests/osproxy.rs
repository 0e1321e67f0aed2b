//! A blob is a list of directives in the format of osproxy-observe 1.0.5. Tests that a blob of
//! directives has the same meaning in this crate as in osproxy-observe.
//!
//! This crate refuses some blobs that osproxy accepts with a meaning that their author did not
//! intend: see [`known`].

use std::cell::Cell;
use std::time::Duration;

use osproxy_core::{Clock as _, ManualClock};
use osproxy_observe::{DirectiveSet, decode_directive_set};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::document::{Draft, Expiry, ImportError, ImportErrorKind, parse_drafts};
use crate::{DiagLevel, EndpointKind};

fn theirs(blob: &str) -> Result<DirectiveSet, &'static str> {
    decode_directive_set(blob.as_bytes(), &ManualClock::new())
}

fn ours(blob: &str) -> Result<Vec<Draft>, ImportError> {
    parse_drafts(blob.as_bytes())
}

/// Returns a draft as the JSON in which osproxy lists its directives.
fn listed(draft: &Draft, expired: bool) -> Value {
    let mut fields = serde_json::Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
    set("id", draft.id.as_str().into());
    set("level", draft.level.as_str().into());
    set("sample_per_mille", draft.sample_per_mille.into());
    set("ring_buffer", draft.ring_buffer.into());
    set("capture", draft.capture.into());
    set("expired", expired.into());
    for (name, target) in [
        ("tenant", draft.match_.tenant.as_deref()),
        ("index", draft.match_.index.as_deref()),
        ("principal", draft.match_.principal.as_deref()),
        ("endpoint", draft.match_.endpoint.map(EndpointKind::as_str)),
    ] {
        if let Some(target) = target {
            set(name, target.into());
        }
    }
    Value::Object(fields)
}

/// Asserts that both crates read the same fields from the blob, and that each directive expires at
/// the same nanosecond in both crates.
fn assert_same(theirs: &DirectiveSet, ours: &[Draft], blob: &str) {
    let start = ManualClock::new().now();
    assert_eq!(theirs.len(), ours.len(), "{blob}");
    for (position, draft) in ours.iter().enumerate() {
        let Expiry::After(ttl) = draft.expiry else {
            panic!("{blob}: not relative");
        };
        for (age, expired) in [
            (ttl.saturating_sub(Duration::from_nanos(1)), false),
            (ttl, true),
        ] {
            let all = theirs.introspect(start.saturating_add(age));
            assert_eq!(
                all["directives"][position],
                listed(draft, expired),
                "{blob}"
            );
        }
    }
}

/// Returns the known reason why this crate refuses a blob that osproxy accepts. A blob that only
/// osproxy accepts has a meaning there that its author did not intend.
fn known(blob: &[Vec<(String, Value)>]) -> Option<&'static str> {
    if blob.is_empty() {
        return Some("an empty list is no directive to write");
    }
    let mut ids = std::collections::HashSet::new();
    for fields in blob {
        let mut names = std::collections::HashSet::new();
        for (name, value) in fields {
            if !names.insert(name) {
                return Some("of a repeated key the last counts");
            }
            match name.as_str() {
                "tenant" | "index" | "principal" if !value.is_string() => {
                    return Some("a target that is no text is taken for every target");
                }
                "tenant" | "index" | "principal" if value == "" => {
                    return Some("an empty target is taken, and matches nothing");
                }
                "ring_buffer" | "capture" if !value.is_boolean() => {
                    return Some("a switch that is no boolean is off");
                }
                "id" if !ids.insert(value.clone()) => {
                    return Some("two directives of the same id are both kept");
                }
                _ => {}
            }
        }
    }
    None
}

fn field() -> impl Strategy<Value = (String, Value)> {
    let json = || super::generators::json();
    let or_any = |usual: BoxedStrategy<Value>| prop_oneof![12 => usual, 1 => json()];
    let target = select(vec!["acme", "orders", "ü\"\\", ""])
        .prop_map(Value::from)
        .boxed();
    let named = |name: &'static str, value: BoxedStrategy<Value>| {
        value
            .prop_map(move |value| (name.to_owned(), value))
            .boxed()
    };
    let endpoints = select(EndpointKind::ALL)
        .prop_map(|it| Value::from(it.as_str()))
        .boxed();
    prop_oneof![
        4 => named("tenant", or_any(target.clone()).boxed()),
        4 => named("index", or_any(target.clone()).boxed()),
        4 => named("principal", or_any(target).boxed()),
        4 => named("endpoint", or_any(endpoints).boxed()),
        4 => named("sample_per_mille", or_any((0..=1001_u64).prop_map(Value::from).boxed()).boxed()),
        4 => named("ring_buffer", or_any(any::<bool>().prop_map(Value::from).boxed()).boxed()),
        4 => named("capture", or_any(any::<bool>().prop_map(Value::from).boxed()).boxed()),
        1 => named("tennant", json().boxed()),
        1 => named("level", json().boxed()),
        1 => named("ttl_secs", json().boxed()),
    ]
}

fn directive() -> impl Strategy<Value = Vec<(String, Value)>> {
    let ids = select(vec!["a", "b", "c", "d", "e", "f", "g", "h"]).prop_map(Value::from);
    let levels = select(DiagLevel::ALL).prop_map(|it| Value::from(it.as_str()));
    // The test generates only short times to live, because osproxy counts nanoseconds in 64 bits
    // and would truncate several centuries.
    let ttls = prop_oneof![9 => 1..1_000_000_u64, 1 => Just(0)].prop_map(Value::from);
    (ids, levels, ttls, vec(field(), 0..6)).prop_map(|(id, level, ttl, mut fields)| {
        for (name, value) in [("id", id), ("level", level), ("ttl_secs", ttl)] {
            fields.push((name.to_owned(), value));
        }
        fields
    })
}

fn json(blob: &[Vec<(String, Value)>]) -> String {
    let directives: Vec<String> = blob
        .iter()
        .map(|fields| {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{}:{value}", Value::from(&**name)))
                .collect();
            format!("{{{}}}", fields.join(","))
        })
        .collect();
    format!("{{\"directives\":[{}]}}", directives.join(","))
}

#[test]
fn a_blob_means_the_same_or_is_refused() {
    let (both, only_theirs, neither) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let count = |cell: &Cell<u32>| cell.set(cell.get() + 1);
    let config = Config {
        cases: 4_000,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&vec(directive(), 0..4), |blob| {
            let source = json(&blob);
            match (theirs(&source), ours(&source)) {
                (Ok(theirs), Ok(ours)) => {
                    count(&both);
                    assert_same(&theirs, &ours, &source);
                    prop_assert_eq!(known(&blob), None, "{}", source);
                }
                (Ok(_), Err(error)) => {
                    count(&only_theirs);
                    prop_assert!(known(&blob).is_some(), "{}: {}", source, error);
                }
                (Err(reason), Ok(_)) => {
                    prop_assert!(false, "{}: only here, there {}", source, reason);
                }
                (Err(_), Err(_)) => count(&neither),
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!(
        "both {}, only theirs {}, neither {}",
        both.get(),
        only_theirs.get(),
        neither.get()
    );
    for cell in [both, only_theirs, neither] {
        assert!(cell.get() > 200, "the generated blobs are too much alike");
    }
}

/// The blobs in this test come from the tests of osproxy's decoder.
#[test]
fn blobs_of_osproxy_keep_their_meaning() {
    let taken = r#"{"directives":[
        {"id":"a","level":"ShapeTiming","ttl_secs":1800,"tenant":"acme"},
        {"id":"b","level":"Shape","ttl_secs":60,"sample_per_mille":250,"ring_buffer":true}
    ]}"#;
    let found = ours(taken).unwrap();
    assert_eq!(found.len(), 2);
    assert_same(&theirs(taken).unwrap(), &found, taken);
    for refused in [
        "not json",
        r"{}",
        r#"{"directives":[{"level":"Shape","ttl_secs":60}]}"#,
        r#"{"directives":[{"id":"a","ttl_secs":60}]}"#,
        r#"{"directives":[{"id":"a","level":"Nope","ttl_secs":60}]}"#,
        r#"{"directives":[{"id":"a","level":"Shape","ttl_secs":0}]}"#,
        r#"{"directives":[{"id":"a","level":"Shape","ttl_secs":60,"sample_per_mille":1001}]}"#,
        r#"{"directives":[{"id":"a","level":"Shape","ttl_secs":60,"tennant":"acme"}]}"#,
        r#"{"directives":[{"id":"a","level":"Shape","ttl_secs":60}],"extra":1}"#,
    ] {
        assert!(theirs(refused).is_err(), "{refused}");
        assert!(ours(refused).is_err(), "{refused}");
    }
}

/// Tests each known difference between osproxy and this crate. This test fails if a later version
/// of osproxy removes one of the known differences.
#[test]
fn documents_that_osproxy_widens_are_refused() {
    let blob = |fields: &str| {
        format!(r#"{{"directives":[{{"id":"a","level":"Shape","ttl_secs":60{fields}}}]}}"#)
    };
    for (fields, field) in [
        (r#","tenant":42"#, "tenant"),
        (r#","tenant":null"#, "tenant"),
        (r#","index":["orders"]"#, "index"),
        (r#","principal":{}"#, "principal"),
        (r#","tenant":"acme","tenant":"other""#, "tenant"),
        (r#","capture":"true""#, "capture"),
        (r#","ring_buffer":1"#, "ring_buffer"),
        (r#","tenant":"""#, "tenant"),
    ] {
        let source = blob(fields);
        assert!(theirs(&source).is_ok(), "{source}");
        let text = ours(&source).unwrap_err().to_string();
        assert!(
            text.contains(&format!("entry 1 (a): {field}: "))
                || text.contains(&format!("entry 1: {field}: ")),
            "{text}"
        );
    }
    assert!(theirs(r#"{"directives":[]}"#).unwrap().is_empty());
    let empty = ours(r#"{"directives":[]}"#).unwrap_err();
    assert_eq!(empty.kind(), ImportErrorKind::Empty);
    // This crate accepts a draft without an expiry, because the ingest pipeline adds the default
    // time to live.
    let endless = r#"{"directives":[{"id":"a","level":"Shape"}]}"#;
    assert!(theirs(endless).is_err());
    assert_eq!(ours(endless).unwrap()[0].expiry, Expiry::SiteDefault);
}
