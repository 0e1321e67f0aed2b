//! Tests which effect the comparison of two versions reports for a change of each field.

#![allow(clippy::unwrap_used, reason = "tests")]
use opensearch_directives_core::document::KeyId;

use super::*;
use crate::{DiagLevel, DiagnosticsDirective, DirectiveMatch, EndpointKind};

/// The fields that the comparison of two versions ignores: the authors and times of writes, and
/// fields whose values follow from other fields.
const NOT_COMPARED: [&str; 8] = [
    "targets",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "authenticated_as",
    "revoked_by",
    "revoked_reason",
];

fn document() -> Document {
    let mut directive = DiagnosticsDirective::new("one", DiagLevel::Shape, at(1_000));
    directive.match_ = DirectiveMatch::all().for_tenant("acme");
    directive.sample_per_mille = 100;
    let mut document = Document::new(directive);
    document.audit.ticket = Some("INC-1".to_owned());
    document.audit.reason = Some("slow".to_owned());
    document.audit.owner = Some("search-team".to_owned());
    document.audit.updated_at = Some(at(0));
    document.signatures = vec![signature(1)];
    document
}

fn signature(key: u8) -> Signature {
    Signature::new("alice", KeyId::of(&[key; 32]), [key; 64]).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

type Edit = fn(&mut Document);

/// Changes of single fields, each with the effect that the comparison must report.
const CASES: [(&str, ChangeEffect, Edit); 22] = [
    ("tenant", ChangeEffect::Widens, |d| {
        d.directive.match_.tenant = None;
    }),
    ("tenant", ChangeEffect::Widens, |d| {
        d.directive.match_.tenant = Some("umbrella".to_owned());
    }),
    ("index", ChangeEffect::Other, |d| {
        d.directive.match_.index = Some("orders".to_owned());
    }),
    ("endpoint", ChangeEffect::Other, |d| {
        d.directive.match_.endpoint = Some(EndpointKind::Search);
    }),
    ("level", ChangeEffect::Widens, |d| {
        d.directive.level = DiagLevel::ShapeTiming;
    }),
    ("level", ChangeEffect::Other, |d| {
        d.directive.level = DiagLevel::Off;
    }),
    ("sample_per_mille", ChangeEffect::Widens, |d| {
        d.directive.sample_per_mille = 101;
    }),
    ("sample_per_mille", ChangeEffect::Other, |d| {
        d.directive.sample_per_mille = 99;
    }),
    ("ring_buffer", ChangeEffect::Widens, |d| {
        d.directive.ring_buffer = true;
    }),
    ("capture", ChangeEffect::Widens, |d| {
        d.directive.capture = true;
    }),
    ("expires_at", ChangeEffect::Prolongs, |d| {
        d.directive.expires_at = at(1_001);
    }),
    ("expires_at", ChangeEffect::Other, |d| {
        d.directive.expires_at = at(999);
    }),
    ("starts_at", ChangeEffect::Other, |d| {
        d.directive.starts_at = Some(at(500));
    }),
    ("reason", ChangeEffect::Loses, |d| {
        d.audit.reason = None;
    }),
    ("ticket", ChangeEffect::Loses, |d| {
        d.audit.ticket = None;
    }),
    ("ticket", ChangeEffect::Other, |d| {
        d.audit.ticket = Some("INC-2".to_owned());
    }),
    ("signatures", ChangeEffect::Other, |d| {
        d.signatures.push(signature(2));
    }),
    ("signatures", ChangeEffect::Loses, |d| {
        d.signatures = vec![signature(2)];
    }),
    ("owner", ChangeEffect::Loses, |d| {
        d.audit.owner = None;
    }),
    ("principal", ChangeEffect::Other, |d| {
        d.directive.match_.principal = Some("alice".to_owned());
    }),
    ("revoked", ChangeEffect::Other, |d| {
        d.revoked = true;
    }),
    ("revoked_at", ChangeEffect::Other, |d| {
        d.audit.revoked_at = Some(at(1));
    }),
];

#[test]
fn each_field_has_its_effect() {
    for (field, effect, edit) in CASES {
        let mut after = document();
        edit(&mut after);
        let found = changes(&document(), &after);
        assert_eq!(found.len(), 1, "{field}: {found:?}");
        assert_eq!((found[0].field, found[0].effect), (field, effect));
    }
    // The test cases and `NOT_COMPARED` together must contain every field of the mapping.
    let template = include_str!("../../mappings/index-template.json");
    let template: serde_json::Value = serde_json::from_str(template).unwrap();
    let fields = template["template"]["mappings"]["properties"]
        .as_object()
        .unwrap();
    for name in fields.keys() {
        let is_compared = CASES.iter().any(|(field, ..)| field == name);
        assert_ne!(is_compared, NOT_COMPARED.contains(&name.as_str()), "{name}");
    }
    assert_eq!(changes(&document(), &document()), []);
}

#[test]
fn an_expired_or_revoked_directive_is_reactivated() {
    let mut after = document();
    after.audit.updated_at = Some(at(2_000));
    after.directive.expires_at = at(3_000);
    assert_eq!(
        changes(&document(), &after)[0].effect,
        ChangeEffect::Reactivates
    );
    let mut revoked = document();
    revoked.revoked = true;
    assert_eq!(
        changes(&revoked, &document())[0].effect,
        ChangeEffect::Reactivates
    );
    revoked.audit.revoked_at = Some(at(1));
    assert_eq!(
        changes(&revoked, &document())[0].effect,
        ChangeEffect::Reactivates
    );
}

#[test]
fn an_earlier_start_widens_unless_it_has_passed() {
    let mut scheduled = document();
    scheduled.directive.starts_at = Some(at(500));
    assert_eq!(
        changes(&scheduled, &document())[0].effect,
        ChangeEffect::Widens
    );
    let mut begun = document();
    begun.directive.starts_at = Some(at(-5));
    assert_eq!(changes(&begun, &document()), []);
}
