//! Tests each field of a stored document and of a draft with a value of each JSON type.

use super::{HOUR, STORED, at, decode, limits, plain};
use crate::document::decode_field::NAMES;
use crate::document::{Audit, Document, Draft, Expiry, Rejection, RejectionReason as Reason};
use crate::{DiagLevel, DiagnosticsDirective};

/// One or more values of each JSON type, and `None` for an absent field.
const VALUES: [Option<&str>; 10] = [
    None,
    Some("null"),
    Some("true"),
    Some("42"),
    Some("1.5"),
    Some("\"\""),
    Some("\"text\""),
    Some("[]"),
    Some("[\"a\"]"),
    Some("{}"),
];

/// The name of each field, one character per value in [`VALUES`], and a rejection reason. Each
/// character says what the decoder does with one value. `.` means that the decoder treats the value
/// as absent. `=` means that the decoder uses the value. `x` means that the decoder refuses the
/// document for the rejection reason in the same row. Any other character means that the decoder
/// refuses the document for another reason (`m` missing, `u` unknown, `i` not the `_id`, `2` two
/// expiries, `s` written by the pipeline, `t` not named by `targets`).
type Outcomes = [(&'static str, &'static str, Reason); NAMES.len()];

const OF_DOCUMENT: Outcomes = [
    // Each character is the outcome for one value, in this order: absent, null, true, 42, 1.5, "",
    // "text", [], ["a"], {}.
    ("id", ".xxxxiixxx", Reason::NotAnId),
    ("targets", "mxxxxxx.xx", Reason::NotTargets),
    ("level", "mxxxxxxxxx", Reason::NotALevel),
    ("tenant", ".xxxxxtxxx", Reason::NotATarget),
    ("index", ".xxxxxtxxx", Reason::NotATarget),
    ("principal", ".xxxxxtxxx", Reason::NotATarget),
    ("endpoint", ".xxxxxxxxx", Reason::NotAnEndpoint),
    ("sample_per_mille", "mxx=xxxxxx", Reason::NotASampleRate),
    ("ring_buffer", ".x=xxxxxxx", Reason::NotABoolean),
    ("capture", ".x=xxxxxxx", Reason::NotABoolean),
    ("starts_at", "mxxxxxxxxx", Reason::NotATime),
    ("expires_at", "mxxxxxxxxx", Reason::NotATime),
    ("ttl_secs", ".222222222", Reason::NotATtl),
    ("revoked", "mx=xxxxxxx", Reason::NotABoolean),
    ("reason", "..xxx==xxx", Reason::NotAText),
    ("ticket", "..xxx==xxx", Reason::NotAText),
    ("owner", "..xxx==xxx", Reason::NotAText),
    ("author", ".uuuuuuuuu", Reason::NotAText),
    ("created_at", "..xxxxxxxx", Reason::NotATime),
    ("created_by", "..xxx==xxx", Reason::NotAText),
    ("updated_at", "..xxxxxxxx", Reason::NotATime),
    ("updated_by", "..xxx==xxx", Reason::NotAText),
    ("authenticated_as", "..xxx==xxx", Reason::NotAText),
    ("revoked_at", ".xxxxxxxxx", Reason::NotATime),
    ("revoked_by", "..xxx==xxx", Reason::NotAText),
    ("revoked_reason", "..xxx==xxx", Reason::NotAText),
    ("signatures", ".xxxxxxxxx", Reason::NotSignatures),
];

const OF_DRAFT: Outcomes = [
    // Each character is the outcome for one value, in this order: absent, null, true, 42, 1.5, "",
    // "text", [], ["a"], {}.
    ("id", "mxxxx==xxx", Reason::NotAnId),
    ("targets", ".xxxxxx.xx", Reason::NotTargets),
    ("level", "mxxxxxxxxx", Reason::NotALevel),
    ("tenant", ".xxxxx=xxx", Reason::NotATarget),
    ("index", ".xxxxx=xxx", Reason::NotATarget),
    ("principal", ".xxxxx=xxx", Reason::NotATarget),
    ("endpoint", ".xxxxxxxxx", Reason::NotAnEndpoint),
    ("sample_per_mille", ".xx=xxxxxx", Reason::NotASampleRate),
    ("ring_buffer", ".x=xxxxxxx", Reason::NotABoolean),
    ("capture", ".x=xxxxxxx", Reason::NotABoolean),
    ("starts_at", ".xxxxxxxxx", Reason::NotATime),
    ("expires_at", ".xxxxxxxxx", Reason::NotATime),
    ("ttl_secs", "=xx=xxxxxx", Reason::NotATtl),
    ("revoked", ".xsxxxxxxx", Reason::NotABoolean),
    ("reason", "..xxx==xxx", Reason::NotAText),
    ("ticket", "..xxx==xxx", Reason::NotAText),
    ("owner", "..xxx==xxx", Reason::NotAText),
    ("author", "..xxx==xxx", Reason::NotAText),
    ("created_at", ".sssssssss", Reason::NotATime),
    ("created_by", ".sssssssss", Reason::NotAText),
    ("updated_at", ".sssssssss", Reason::NotATime),
    ("updated_by", "..xxx==xxx", Reason::NotAText),
    ("authenticated_as", ".sssssssss", Reason::NotAText),
    ("revoked_at", ".sssssssss", Reason::NotATime),
    ("revoked_by", ".sssssssss", Reason::NotAText),
    ("revoked_reason", ".sssssssss", Reason::NotAText),
    ("signatures", ".xxxxxxxxx", Reason::NotSignatures),
];

/// Returns the fields `base` as a JSON object, in which the field `name` has the given value or is
/// removed.
fn object(base: &[(&str, &str)], name: &str, value: Option<&str>) -> String {
    let fields: Vec<String> = base
        .iter()
        .copied()
        .filter(|(other, _)| *other != name)
        .chain(value.map(|value| (name, value)))
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}

/// Decodes an object with each of [`VALUES`] in each field, and compares the outcomes with `table`.
/// The function `read` decodes the object. The function `set` writes a value that the decoder uses
/// into the expected result.
fn check<T: Clone + PartialEq + std::fmt::Debug>(
    table: &Outcomes,
    base: &[(&str, &str)],
    plain: &T,
    missing: Reason,
    read: impl Fn(&str) -> Result<T, Rejection>,
    set: impl Fn(&mut T, &str, &str),
) {
    assert_eq!(table.map(|(name, ..)| name), NAMES);
    assert_eq!(
        read(&object(base, "", None)).as_ref(),
        Ok(plain),
        "the base"
    );
    let mut cases = 0;
    for (name, outcomes, reason) in table {
        assert_eq!(outcomes.len(), VALUES.len(), "{name}");
        for (value, outcome) in VALUES.into_iter().zip(outcomes.chars()) {
            let source = object(base, name, value);
            let found = read(&source);
            let reason = match outcome {
                '.' => {
                    assert_eq!(found.as_ref(), Ok(plain), "{source}");
                    None
                }
                '=' => {
                    let mut expected = plain.clone();
                    set(&mut expected, name, value.unwrap_or_default());
                    assert_eq!(found, Ok(expected), "{source}");
                    None
                }
                'x' => Some(*reason),
                'm' => Some(missing),
                't' => Some(Reason::TargetNotNamed),
                'i' => Some(Reason::IdMismatch),
                'u' => Some(Reason::UnknownField),
                '2' => Some(Reason::TwoExpiries),
                's' => Some(Reason::StampedField),
                other => panic!("no such outcome: {other}"),
            };
            if let Some(reason) = reason {
                let rejection = found.expect_err(&source);
                let field = if outcome == 't' { "targets" } else { *name };
                assert_eq!(
                    (rejection.field(), rejection.reason()),
                    (field, reason),
                    "{source}"
                );
                let text = rejection.to_string();
                assert!(text.starts_with(&format!("{field}: ")), "{text}");
                if outcome == 'x' {
                    assert_eq!(rejection.value(), value.unwrap(), "{source}");
                }
            }
            cases += 1;
        }
    }
    assert_eq!(cases, 10 * NAMES.len());
}

fn text(value: &str) -> String {
    value.trim_matches('"').to_owned()
}

#[test]
fn each_field_of_a_document_accepts_only_its_type() {
    check(
        &OF_DOCUMENT,
        &STORED,
        &plain(),
        Reason::HiddenOrMissing,
        decode,
        |document, name, value| {
            let directive = &mut document.directive;
            let audit = &mut document.audit;
            match name {
                "sample_per_mille" => directive.sample_per_mille = value.parse().unwrap(),
                "ring_buffer" => directive.ring_buffer = true,
                "capture" => directive.capture = true,
                "revoked" => document.revoked = true,
                "reason" => audit.reason = Some(text(value)),
                "owner" => audit.owner = Some(text(value)),
                "revoked_reason" => audit.revoked_reason = Some(text(value)),
                "ticket" => audit.ticket = Some(text(value)),
                "created_by" => audit.created_by = Some(text(value)),
                "updated_by" => audit.updated_by = Some(text(value)),
                "authenticated_as" => audit.authenticated_as = Some(text(value)),
                "revoked_by" => audit.revoked_by = Some(text(value)),
                other => panic!("{other} takes none of the values"),
            }
        },
    );
}

#[test]
fn each_field_of_a_draft_accepts_only_its_type() {
    let base = [
        ("id", "\"d\""),
        ("level", "\"Shape\""),
        ("ttl_secs", "3600"),
    ];
    let plain = Draft::new("d", DiagLevel::Shape, Expiry::After(HOUR));
    check(
        &OF_DRAFT,
        &base,
        &plain,
        Reason::Missing,
        Draft::from_json,
        |draft, name, value| match name {
            "id" => draft.id = text(value),
            "tenant" => draft.match_.tenant = Some(text(value)),
            "index" => draft.match_.index = Some(text(value)),
            "principal" => draft.match_.principal = Some(text(value)),
            "sample_per_mille" => draft.sample_per_mille = value.parse().unwrap(),
            "ring_buffer" => draft.ring_buffer = true,
            "capture" => draft.capture = true,
            "ttl_secs" if value.is_empty() => draft.expiry = Expiry::SiteDefault,
            "owner" => draft.owner = Some(text(value)),
            "author" | "updated_by" => draft.author = Some(text(value)),
            "ttl_secs" => {
                let seconds = value.parse().unwrap();
                draft.expiry = Expiry::After(std::time::Duration::from_secs(seconds));
            }
            "reason" => draft.reason = Some(text(value)),
            "ticket" => draft.ticket = Some(text(value)),
            other => panic!("{other} takes none of the values"),
        },
    );
}

/// Tests that the decoder uses every field, with a document that has a valid value in each field.
#[test]
fn every_field_counts() {
    let source = r#"{
        "id": "d", "targets": ["tenant", "index", "principal", "endpoint"],
        "level": "ShapeRewriteDiff", "revoked": true, "tenant": "acme", "index": "orders",
        "principal": "svc", "endpoint": "DeleteByQuery", "sample_per_mille": 0,
        "ring_buffer": false, "capture": true, "starts_at": "2030-01-01T12:05:00+01:00",
        "expires_at": "2030-01-01T12:15:00.123456789Z", "reason": "r", "ticket": "t",
        "created_at": "2029-12-31T00:00:00Z", "created_by": "c",
        "updated_at": "2029-12-31T00:00:01Z", "updated_by": "u", "authenticated_as": "w",
        "revoked_at": "2029-12-31T00:00:02Z", "revoked_by": "v",
        "owner": "search-team", "revoked_reason": "found"
    }"#;
    let mut directive = DiagnosticsDirective::new(
        "d",
        DiagLevel::ShapeRewriteDiff,
        at("2030-01-01T12:15:00.123456789Z"),
    );
    directive.match_ = crate::DirectiveMatch::all()
        .for_tenant("acme")
        .for_index("orders")
        .for_principal("svc")
        .for_endpoint(crate::EndpointKind::DeleteByQuery);
    directive.sample_per_mille = 0;
    directive.capture = true;
    directive.starts_at = Some(at("2030-01-01T11:05:00Z"));
    let some = |text: &str| Some(text.to_owned());
    let expected = Document::new(directive).with_audit(Audit {
        owner: Some("search-team".into()),
        revoked_reason: Some("found".into()),
        reason: some("r"),
        ticket: some("t"),
        created_at: Some(at("2029-12-31T00:00:00Z")),
        created_by: some("c"),
        updated_at: Some(at("2029-12-31T00:00:01Z")),
        updated_by: some("u"),
        authenticated_as: some("w"),
        revoked_at: Some(at("2029-12-31T00:00:02Z")),
        revoked_by: some("v"),
    });
    assert_eq!(decode(source), Ok(expected));
    let borrowed = crate::document::decode("d", source, &limits()).unwrap();
    assert!(borrowed.is_revoked());
    assert_eq!(borrowed.audit().revoked_by.as_deref(), Some("v"));
}
