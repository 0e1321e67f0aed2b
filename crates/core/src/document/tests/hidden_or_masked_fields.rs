//! Tests that the decoder rejects a document or keeps its meaning if a role hides fields, a mask
//! changes values or a tool removes fields.

use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Map, Value};

use super::{at, decode, generators, limits, plain, stored_json};
use crate::document::decode_field::NAMES;
use crate::document::{DecodeLimits, Rejection, RejectionReason as Reason, is_revoked};

const MASKED: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn refused(source: &str) -> Rejection {
    decode(source).expect_err(source)
}

#[test]
fn a_tenant_hidden_by_a_role_does_not_widen_a_directive_to_every_tenant() {
    for (name, value) in [
        ("tenant", "\"acme\""),
        ("index", "\"orders\""),
        ("principal", "\"ann\""),
        ("endpoint", "\"Search\""),
    ] {
        let whole = stored_json(&format!("\"{name}\":{value},"));
        assert!(decode(&whole).is_ok(), "{whole}");
        let hidden = whole.replace(&format!("\"{name}\":{value},"), "");
        let rejection = refused(&hidden);
        assert_eq!(
            (rejection.field(), rejection.reason()),
            (name, Reason::HiddenTarget)
        );
        let text = rejection.to_string();
        assert!(text.contains("field-level security"), "{text}");
        assert!(text.contains("partial update"), "{text}");
        assert!(text.contains("write the directive again"), "{text}");
        assert!(rejection.is_incomplete());
    }
}

#[test]
fn a_document_with_a_hidden_rate_start_or_revocation_is_rejected() {
    let whole = stored_json("");
    for (name, field) in [
        ("targets", "\"targets\":[],"),
        ("level", "\"level\":\"Shape\","),
        ("sample_per_mille", "\"sample_per_mille\":1000,"),
        ("starts_at", "\"starts_at\":\"1970-01-01T00:00:00Z\","),
        ("expires_at", "\"expires_at\":\"2030-01-01T12:15:00Z\","),
        ("revoked", ",\"revoked\":false"),
    ] {
        let hidden = whole.replacen(field, "", 1);
        assert_ne!(hidden, whole, "{name}");
        let rejection = refused(&hidden);
        assert_eq!(
            (rejection.field(), rejection.reason()),
            (name, Reason::HiddenOrMissing)
        );
        let text = rejection.to_string();
        assert!(text.contains("field-level security"), "{text}");
        assert!(text.contains("init --upgrade"), "{text}");
    }
}

#[test]
fn a_document_of_the_earlier_implicit_form_is_rejected() {
    let source = r#"{"level":"Shape","expires_at":"2030-01-01T12:15:00Z"}"#;
    assert_eq!(refused(source).reason(), Reason::HiddenOrMissing);
}

#[test]
fn a_masked_target_is_rejected_as_masked() {
    for name in ["tenant", "index", "principal"] {
        let source = stored_json(&format!("\"{name}\":\"{MASKED}\","));
        let rejection = refused(&source);
        assert_eq!(
            (rejection.field(), rejection.reason()),
            (name, Reason::Masked)
        );
        assert!(
            rejection.to_string().contains("field masking"),
            "{rejection}"
        );
    }
    let masked_list = stored_json(&format!("\"targets\":[\"{MASKED}\"],"));
    let rejection = refused(&masked_list);
    assert_eq!(rejection.reason(), Reason::NotTargets);
    assert!(
        rejection.to_string().contains("field masking"),
        "{rejection}"
    );
    for name in ["level", "starts_at", "expires_at", "endpoint"] {
        let source = stored_json(&format!("\"{name}\":\"{MASKED}\","));
        assert_eq!(refused(&source).field(), name);
    }
    // The decoder accepts a target that is only similar to a masked value.
    for tenant in [&MASKED[1..], &MASKED.to_uppercase()] {
        let source = stored_json(&format!("\"tenant\":\"{tenant}\","));
        let document = decode(&source).unwrap();
        assert_eq!(document.directive.match_.tenant.as_deref(), Some(tenant));
    }
}

#[test]
fn targets_name_exactly_the_targets_that_are_set() {
    for targets in [
        "[\"tenant\",\"tenant\"]",
        "[\"level\"]",
        "[\"Tenant\"]",
        "[null]",
        "\"tenant\"",
        "null",
        "{}",
        "[[\"tenant\"]]",
    ] {
        let source = stored_json(&format!("\"targets\":{targets},\"tenant\":\"acme\","));
        assert_eq!(refused(&source).reason(), Reason::NotTargets, "{source}");
    }
    let more = stored_json("\"targets\":[\"index\"],\"tenant\":\"acme\",\"index\":\"i\",");
    let rejection = refused(&more);
    assert_eq!(
        (rejection.field(), rejection.value(), rejection.reason()),
        ("targets", "[\"index\"]", Reason::TargetNotNamed)
    );
    let any_order =
        stored_json("\"targets\":[\"index\",\"tenant\"],\"tenant\":\"a\",\"index\":\"i\",");
    assert!(decode(&any_order).is_ok());
}

#[test]
fn a_revoked_directive_stays_revoked_if_fields_are_hidden() {
    let time = "\"revoked_at\":\"2030-01-01T12:00:00Z\",";
    let whole = stored_json(&format!("{time}\"revoked\":true,"));
    assert!(decode(&whole).unwrap().revoked);
    // A revoked document stays revoked if `revoked_at` is hidden from the reader.
    let document = decode(&stored_json("\"revoked\":true,")).unwrap();
    assert!(document.revoked && document.audit.revoked_at.is_none());
    // The decoder rejects a document whose field `revoked` is hidden from the reader. The decoder
    // also rejects a document in which `revoked` and `revoked_at` contradict each other.
    let hidden = whole.replace("\"revoked\":true,", "");
    assert_eq!(refused(&hidden).reason(), Reason::HiddenOrMissing);
    let half = stored_json(time);
    let rejection = refused(&half);
    assert_eq!(
        (rejection.field(), rejection.reason()),
        ("revoked", Reason::RevokedDisagrees)
    );
    for (source, revoked) in [
        (whole.as_str(), true),
        (hidden.as_str(), true),
        (half.as_str(), true),
        (r#"{"level":42,"revoked":true}"#, true),
        (r#"{"level":42,"revoked":false}"#, false),
        (r#"{"level":42,"revoked":"true"}"#, false),
        (r#"{"revoked_at":null}"#, false),
        ("[]", false),
    ] {
        assert_eq!(is_revoked(source), revoked, "{source}");
    }
}

#[test]
fn an_id_that_no_path_can_contain_is_refused() {
    for id in [
        "",
        ".",
        "..",
        "a\tb",
        "a\nb",
        "\0",
        "a\u{85}",
        &"x".repeat(513),
    ] {
        let source = stored_json("");
        let rejection = crate::document::decode(id, &source, &limits()).unwrap_err();
        assert_eq!(
            (rejection.field(), rejection.reason()),
            ("id", Reason::NotAnId),
            "{id:?}"
        );
    }
    for id in ["...", "a.b", "a/b", " ", "_a", &"x".repeat(512)] {
        assert!(crate::document::decode(id, &stored_json(""), &limits()).is_ok());
    }
}

#[test]
fn a_directive_that_started_when_it_was_created_applies_immediately() {
    let start = |starts_at: &str, created_at: &str| {
        let created = format!("\"starts_at\":\"{starts_at}\",\"created_at\":\"{created_at}\",");
        decode(&stored_json(&created)).unwrap().directive.starts_at
    };
    let noon = "2030-01-01T12:00:00Z";
    // `created_at` may be slightly later than the reader's clock, because the cluster's clock may
    // be ahead.
    for at_once in [noon, "2030-01-01T11:00:00Z", "2030-01-01T12:05:00Z"] {
        assert_eq!(start(at_once, at_once), None, "{at_once}");
    }
    assert_eq!(start("2030-01-01T11:00:00Z", noon), None);
    let later = "2030-01-01T12:00:00.000000001Z";
    assert_eq!(start(later, noon), Some(at(later)));
    // A creation time in the future does not make the directive start earlier.
    let future = "2030-01-01T12:05:00.000000001Z";
    assert_eq!(start(future, "2099-01-01T00:00:00Z"), Some(at(future)));
    // The start of a directive does not change if the creation time is hidden from the reader.
    let hidden = decode(&stored_json(&format!("\"starts_at\":\"{noon}\","))).unwrap();
    assert_eq!(hidden.directive.starts_at, Some(at(noon)));
}

#[test]
fn a_plain_stored_document_decodes() {
    assert_eq!(decode(&stored_json("")), Ok(plain()));
}

proptest! {
    /// A reader that sees only some fields never accepts a directive that matches more requests,
    /// records more or lasts longer than the complete document permits.
    #[test]
    fn hidden_fields_never_widen(
        document in generators::document(),
        visible in subsequence(NAMES.to_vec(), 0..=NAMES.len()),
        now in generators::instant(),
    ) {
        let all = DecodeLimits { now, max_ttl: std::time::Duration::MAX };
        let json = crate::document::encode(&document, &all).unwrap();
        let whole: Map<String, Value> = serde_json::from_str(json.get()).unwrap();
        let part: Map<String, Value> = whole
            .into_iter()
            .filter(|(name, _)| visible.contains(&name.as_str()))
            .collect();
        let source = Value::Object(part).to_string();
        let id = &document.directive.id;
        let Ok(found) = crate::document::decode(id, &source, &all) else {
            return Ok(());
        };
        let found = found.to_document();
        // A reader from which the signatures are hidden computes the start as for an unsigned
        // document.
        let whole = generators::normal(document.with_signatures(found.signatures.clone()), now);
        prop_assert_eq!(found.revoked, whole.revoked);
        prop_assert_eq!(&found.directive.match_, &whole.directive.match_);
        prop_assert_eq!(found.directive.level, whole.directive.level);
        prop_assert_eq!(found.directive.sample_per_mille, whole.directive.sample_per_mille);
        prop_assert_eq!(found.directive.expires_at, whole.directive.expires_at);
        prop_assert!(found.directive.capture <= whole.directive.capture);
        prop_assert!(found.directive.ring_buffer <= whole.directive.ring_buffer);
        prop_assert!(found.directive.starts_at >= whole.directive.starts_at);
    }
}
