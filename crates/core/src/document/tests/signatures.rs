//! Tests that a signature covers exactly the fields that change what a directive does.

use std::collections::HashSet;

use super::{at, decode, limits, stored_json};
use crate::document::{
    Draft, Expiry, KeyId, RejectionReason as Reason, Signature, SignedForm, encode_draft,
};
use crate::hex::Hex;
use crate::{DiagLevel, DiagnosticsDirective, DirectiveMatch, EndpointKind};

/// Creates a directive in which no field has its default value.
fn whole() -> DiagnosticsDirective {
    let matched = DirectiveMatch::all()
        .for_tenant("acme")
        .for_principal("é")
        .for_endpoint(EndpointKind::Search);
    DiagnosticsDirective::new(
        "slow-acme",
        DiagLevel::ShapeTiming,
        at("2030-01-01T12:15:00.000000001Z"),
    )
    .with_match(matched)
    .with_sample_per_mille(100)
    .with_starts_at(at("2030-01-01T12:00:00Z"))
    .with_ring_buffer(true)
}

fn signature() -> Signature {
    Signature::new("alice", KeyId::of(&[1; 32]), [2; 64]).unwrap()
}

/// Compares the bytes that a signer signs with the test vector in `docs/SIGNATURES.md`.
#[test]
fn the_message_is_as_documented() {
    let directive = whole();
    let form = SignedForm::new(directive.as_ref(), "uuid-of-the-index");
    let message = form.message("alice");
    let expected = concat!(
        "6f70656e7365617263682d64697265637469766573207369676e617475726520",
        "3100",
        "00000005616c696365",
        "00000011757569642d6f662d7468652d696e646578",
        "00000009736c6f772d61636d65",
        "0000000b536861706554696d696e67",
        "010000000461636d65",
        "00",
        "0100000002c3a9",
        "0100000006536561726368",
        "0064",
        "01",
        "00",
        "0100000000000000001a470f7d7e7c8000",
        "00000000000000001a47104f0aaaa801",
    );
    assert_eq!(Hex(&message).to_string(), expected);
    assert!(message.ends_with(&form.content()));
    let documentation = include_str!("../../../../../docs/SIGNATURES.md");
    for line in expected.as_bytes().chunks(64) {
        let line = std::str::from_utf8(line).unwrap();
        assert!(documentation.contains(line), "{line}");
    }
}

#[test]
fn each_field_that_decides_what_a_directive_does_changes_the_message() {
    type Change = fn(&mut DiagnosticsDirective);

    let base = whole();
    let changes: [Change; 16] = [
        |it| it.id = "slow-acmE".into(),
        |it| it.level = DiagLevel::Shape,
        |it| it.match_.tenant = None,
        |it| it.match_.tenant = Some("acmE".into()),
        |it| it.match_.index = Some("orders".into()),
        |it| it.match_.principal = None,
        |it| it.match_.endpoint = None,
        |it| it.match_.endpoint = Some(EndpointKind::Count),
        |it| it.sample_per_mille = 101,
        |it| it.ring_buffer = false,
        |it| it.capture = true,
        |it| it.starts_at = None,
        |it| it.starts_at = Some(at("2030-01-01T12:00:00.000000001Z")),
        |it| it.expires_at = at("2030-01-01T12:15:00.000000002Z"),
        |it| it.expires_at = at("2031-01-01T12:15:00.000000001Z"),
        // Exchanges the values of the targets `tenant` and `index`.
        |it| std::mem::swap(&mut it.match_.tenant, &mut it.match_.index),
    ];
    let mut messages = HashSet::new();
    messages.insert(SignedForm::new(base.as_ref(), "u").message("alice"));
    messages.insert(SignedForm::new(base.as_ref(), "v").message("alice"));
    messages.insert(SignedForm::new(base.as_ref(), "u").message("alicf"));
    for change in changes {
        let mut directive = base.clone();
        change(&mut directive);
        messages.insert(SignedForm::new(directive.as_ref(), "u").message("alice"));
    }
    assert_eq!(messages.len(), 19);
}

#[test]
fn a_signed_directive_starts_when_it_says_whatever_created_at_says() {
    let fields = "\"starts_at\":\"2030-01-01T12:03:00Z\",\"created_at\":\"2030-01-01T12:04:00Z\",";
    let unsigned = decode(&stored_json(fields)).unwrap();
    assert_eq!(unsigned.directive.starts_at, None);
    let signed = format!("{fields}\"signatures\":[\"{}\"],", signature());
    let signed = decode(&stored_json(&signed)).unwrap();
    let start = at("2030-01-01T12:03:00Z");
    assert_eq!(signed.directive.starts_at, Some(start));
    assert_eq!(signed.signatures, [signature()]);
}

#[test]
fn the_form_is_the_same_before_and_after_a_signature_is_added() {
    let fields = "\"starts_at\":\"2030-01-01T11:00:00Z\",\"created_at\":\"2030-01-01T11:00:00Z\",";
    let before = stored_json(fields);
    let after = stored_json(&format!("{fields}\"signatures\":[\"{}\"],", signature()));
    let form = |source: &str| {
        let document = crate::document::decode("d", source, &limits()).unwrap();
        document.signed_form("u").content()
    };
    assert_eq!(form(&before), form(&after));
    // The signed form of a document does not change if the document is converted into one that owns
    // its strings.
    let document = decode(&after).unwrap();
    let owned = SignedForm::new(document.directive.as_ref(), "u").content();
    assert_eq!(owned, form(&after));
}

#[test]
fn what_is_for_people_and_what_only_narrows_is_not_signed() {
    let plain = stored_json("");
    let form = |source: &str| {
        let document = crate::document::decode("d", source, &limits()).unwrap();
        document.signed_form("u").content()
    };
    for fields in [
        "\"reason\":\"r\",\"ticket\":\"t\",\"owner\":\"o\",",
        "\"created_at\":\"2030-01-01T11:00:00Z\",\"created_by\":\"c\",",
        "\"updated_at\":\"2030-01-01T11:00:00Z\",\"updated_by\":\"u\",",
        "\"revoked\":true,\"revoked_at\":\"2030-01-01T11:00:00Z\",",
        "\"revoked\":true,\"revoked_by\":\"r\",\"revoked_reason\":\"r\",",
        "\"id\":\"d\",",
    ] {
        assert_eq!(form(&stored_json(fields)), form(&plain), "{fields}");
    }
}

#[test]
fn a_signed_draft_needs_an_absolute_expiry_and_states_its_start() {
    let end = at("2030-01-01T12:15:00Z");
    let mut draft = Draft::new("d", DiagLevel::Shape, Expiry::At(end));
    draft.signatures = vec![signature()];
    draft.check(&limits()).unwrap();
    let json = encode_draft(&draft, &crate::document::Audit::default());
    assert!(
        json.get()
            .contains("\"starts_at\":\"1970-01-01T00:00:00Z\"")
    );
    assert!(json.get().contains(&format!("[\"{}\"]", signature())));
    for expiry in [
        Expiry::SiteDefault,
        Expiry::After(std::time::Duration::from_secs(60)),
    ] {
        draft.expiry = expiry;
        let rejection = draft.check(&limits()).unwrap_err();
        assert_eq!(rejection.reason(), Reason::SignedRelativeExpiry);
    }
}
