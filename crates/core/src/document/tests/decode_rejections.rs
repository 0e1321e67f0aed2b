//! Tests which documents the decoder rejects, and which field, value and reason each rejection
//! names.

use serde_json::Value;

use super::{at, decode, limits, plain, stored_json};
use crate::document::decode_field::NAMES;
use crate::document::{DocumentState, Rejection, RejectionReason as Reason};

pub(super) fn rejection(source: &str) -> Rejection {
    decode(source).expect_err(source)
}

#[track_caller]
pub(super) fn assert_refused(source: &str, field: &str, value: &str, reason: Reason) {
    let found = rejection(source);
    assert_eq!(
        (found.id(), found.field(), found.value(), found.reason()),
        ("d", field, value, reason),
        "{source}"
    );
    assert!(
        found.to_string().starts_with(&format!("{field}: ")),
        "{found}"
    );
}

#[test]
fn a_document_that_is_not_an_object_is_refused() {
    for source in [
        "",
        " ",
        "null",
        "true",
        "42",
        "1.5",
        "\"text\"",
        "[]",
        "[{}]",
        "{",
        "{}}",
        "{} {}",
        "{\"level\"}",
        "{\"level\":}",
        "{level:1}",
        "{\"level\":\"Shape\",}",
        "{\"\\ud800\":1}",
        "{\"a\":01}",
        "{\"a\":NaN}",
    ] {
        assert_refused(source, "_source", source, Reason::NotAnObject);
    }
    // Escapes make the control characters in the message of a rejection visible.
    for (source, printed) in [
        ("\u{feff}{}", "\\u{feff}{}"),
        ("{\"a\":\"\n\"}", "{\"a\":\"\\u{a}\"}"),
    ] {
        assert_refused(source, "_source", printed, Reason::NotAnObject);
    }
}

#[test]
fn an_unknown_key_is_refused() {
    for key in [
        "tennant", "Tenant", "tenant ", "", "TENANT", "match", "_id", "id\u{0}",
    ] {
        let source = stored_json(&format!("{}:null,", Value::from(key)));
        let found = rejection(&source);
        assert_eq!(found.reason(), Reason::UnknownField, "{source}");
    }
    assert_refused(
        &stored_json(r#""tennant":"acme","#),
        "tennant",
        "",
        Reason::UnknownField,
    );
}

#[test]
fn a_repeated_key_is_refused_even_with_the_same_value() {
    for name in NAMES {
        for source in [
            stored_json(&format!("\"{name}\":1,\"{name}\":1,")),
            stored_json(&format!(
                "\"{name}\":1,\"\\u{:04x}{}\":2,",
                u32::from(name.as_bytes()[0]),
                &name[1..]
            )),
        ] {
            let found = rejection(&source);
            assert_eq!(
                (found.field(), found.reason()),
                (name, Reason::RepeatedField),
                "{source}"
            );
        }
    }
}

#[test]
fn the_first_wrong_key_is_named_even_if_more_follows() {
    let source = stored_json(r#""b":1,"a":2,"tenant":"x","tenant":"y","#);
    assert_eq!(rejection(&source).field(), "b");
}

#[test]
fn a_key_or_text_with_escapes_is_equivalent() {
    let mut expected = plain();
    expected.directive.match_.tenant = Some("acme\"\u{1f600}".into());
    let source =
        stored_json(r#""targets":["\u0074enant"],"\u0074enant":"\u0061cme\"\ud83d\ude00","#);
    assert_eq!(decode(&source), Ok(expected));
    assert_refused(
        &stored_json(r#""\u0074enant":42,"#),
        "tenant",
        "42",
        Reason::NotATarget,
    );
    assert_eq!(decode(&stored_json(r#""id":"\u0064","#)), Ok(plain()));
    let source = stored_json(r#""level":"\u0053hape","expires_at":"2030-01-01T12:15:00\u005a","#);
    assert_eq!(decode(&source), Ok(plain()));
}

#[test]
fn a_text_that_is_not_unicode_is_wrong() {
    for text in [r#""\ud800""#, r#""\udc00\ud800""#, r#""a\ud800b""#] {
        let source = stored_json(&format!("\"tenant\":{text},"));
        assert_refused(&source, "tenant", text, Reason::NotATarget);
    }
}

#[test]
fn an_id_that_is_not_the_documents_is_refused() {
    assert_eq!(decode(&stored_json(r#""id":"d","#)), Ok(plain()));
    for id in [r#""e""#, r#""""#, r#""D""#, r#""d ""#, r#""d\n""#] {
        assert_refused(
            &stored_json(&format!("\"id\":{id},")),
            "id",
            id,
            Reason::IdMismatch,
        );
    }
}

#[test]
fn an_expiry_is_required_and_absolute() {
    let without =
        |fields: &str| stored_json(fields).replace("\"expires_at\":\"2030-01-01T12:15:00Z\",", "");
    let refused = |source: String, field: &str, value: &str, reason| {
        assert_refused(&source, field, value, reason);
    };
    refused(without(""), "expires_at", "", Reason::HiddenOrMissing);
    for ttl in ["\"ttl_secs\":60,", "\"ttl_secs\":null,"] {
        refused(without(ttl), "expires_at", "", Reason::RelativeExpiry);
    }
    let both = stored_json("\"ttl_secs\":60,");
    refused(both, "ttl_secs", "60", Reason::TwoExpiries);
    let both = stored_json("\"ttl_secs\":null,\"expires_at\":null,");
    refused(both, "ttl_secs", "null", Reason::TwoExpiries);
}

#[test]
fn a_rate_is_a_whole_number_up_to_a_thousand() {
    for rate in [
        "-1",
        "-0",
        "1001",
        "65536",
        "18446744073709551616",
        "1.0",
        "1e1",
        "0.5",
        "\"5\"",
        "null",
    ] {
        let source = stored_json(&format!("\"sample_per_mille\":{rate},"));
        assert_refused(&source, "sample_per_mille", rate, Reason::NotASampleRate);
    }
    for rate in [0, 1, 999, 1000] {
        let mut expected = plain();
        expected.directive.sample_per_mille = rate;
        assert_eq!(
            decode(&stored_json(&format!("\"sample_per_mille\":{rate},"))),
            Ok(expected)
        );
    }
}

#[test]
fn a_boolean_is_not_a_text_or_a_number() {
    for name in ["ring_buffer", "capture"] {
        for value in ["\"true\"", "\"false\"", "0", "1", "null"] {
            let source = stored_json(&format!("\"{name}\":{value},"));
            assert_refused(&source, name, value, Reason::NotABoolean);
        }
    }
}

#[test]
fn a_name_is_compared_exactly() {
    for level in ["\"shape\"", "\"SHAPE\"", "\"Shape \"", "\"\"", "1"] {
        let source = stored_json(&format!("\"level\":{level},"));
        assert_refused(&source, "level", level, Reason::NotALevel);
    }
    for endpoint in [
        "\"search\"",
        "\"_search\"",
        "\"Search\\u0000\"",
        "[\"Search\"]",
    ] {
        let source = stored_json(&format!("\"endpoint\":{endpoint},"));
        assert_refused(&source, "endpoint", endpoint, Reason::NotAnEndpoint);
    }
}

#[test]
fn a_document_is_in_one_state() {
    let mut document = plain();
    document.directive.starts_at = Some(at("2030-01-01T12:05:00Z"));
    for (now, state) in [
        ("2030-01-01T12:04:59.999999999Z", DocumentState::Scheduled),
        ("2030-01-01T12:05:00Z", DocumentState::Active),
        ("2030-01-01T12:14:59.999999999Z", DocumentState::Active),
        ("2030-01-01T12:15:00Z", DocumentState::Expired),
    ] {
        assert_eq!(document.state(at(now)), state, "{now}");
        let active = document.directive.as_ref().is_active(at(now));
        assert_eq!(active, state == DocumentState::Active, "{now}");
    }
    document.revoked = true;
    for now in [
        "2030-01-01T12:00:00Z",
        "2030-01-01T12:10:00Z",
        "2030-01-01T12:20:00Z",
    ] {
        assert_eq!(document.state(at(now)), DocumentState::Revoked, "{now}");
    }
}

/// The message of a rejection must be short, because it appears in the log and in the status.
#[test]
fn a_rejection_keeps_the_beginning_of_the_wrong_value() {
    let huge = "é".repeat(100_000);
    let id = "é".repeat(256);
    for source in [
        stored_json(&format!("\"tenant\":[\"{huge}\"],")),
        stored_json(&format!("\"id\":\"{huge}\",")),
        stored_json(&format!("\"{huge}\":1,")),
        stored_json(&format!("\"{huge}\":1,\"{huge}\":1,")),
        stored_json(&format!("\"ttl_secs\":\"{huge}\",")),
        format!("[\"{huge}\"]"),
        huge.clone(),
    ] {
        let found = crate::document::decode(&id, &source, &limits()).unwrap_err();
        for text in [found.field(), found.value()] {
            assert!(
                text.chars().count() <= 61,
                "{} characters",
                text.chars().count()
            );
        }
        assert_eq!(found.id(), id);
        assert!(
            found.field().ends_with('…') || found.value().ends_with('…'),
            "{found}"
        );
        assert!(found.to_string().chars().count() < 300, "{found}");
    }
    let source = stored_json(&format!("\"tenant\":{:060},", 1).replace('0', "1"));
    assert!(!rejection(&source).value().ends_with('…'));
}

#[test]
fn deeply_nested_json_is_refused_without_a_stack() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let depth = 200_000;
        let nested = format!("{}0{}", open.repeat(depth), close.repeat(depth));
        for (source, field) in [
            (stored_json(&format!("\"tenant\":{nested},")), "tenant"),
            (stored_json(&format!("\"reason\":{nested},")), "reason"),
            (stored_json(&format!("\"other\":{nested},")), "other"),
            (open.repeat(depth), "_source"),
        ] {
            assert_eq!(rejection(&source).field(), field);
        }
        assert!(decode(&nested).is_err());
    }
}
