//! Generates texts, instants, documents and JSON values for the property tests.

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::document::{Audit, Document, KeyId, Signature};
use crate::{DiagLevel, DiagnosticsDirective, DirectiveMatch, EndpointKind};

/// Generates strings with many characters that JSON escapes or encodes as surrogate pairs.
pub(super) fn text() -> impl Strategy<Value = String> {
    let odd = select(vec![
        '"',
        '\\',
        '/',
        '\0',
        '\n',
        '\u{1b}',
        '\u{7f}',
        '\u{85}',
        '\u{2028}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{feff}',
        '\u{ffff}',
        '\u{1f600}',
        '\u{10ffff}',
    ]);
    vec(
        prop_oneof![any::<char>(), odd, (0..0x20_u8).prop_map(char::from)],
        0..12,
    )
    .prop_map(String::from_iter)
}

pub(super) fn filled_text() -> impl Strategy<Value = String> {
    text().prop_map(|text| if text.is_empty() { " ".into() } else { text })
}

/// Generates any id that an index accepts and that can be a segment of a URL path.
pub(super) fn id() -> impl Strategy<Value = String> {
    text().prop_map(|text| {
        let id: String = text.chars().filter(|char| !char.is_control()).collect();
        match id.as_str() {
            "" | "." | ".." => "d".to_owned(),
            _ => id,
        }
    })
}

/// Generates any instant with nanosecond precision. The generator often returns the first or the
/// last possible instant.
pub(super) fn instant() -> impl Strategy<Value = Timestamp> {
    let (first, last) = (
        Timestamp::MIN.as_nanosecond(),
        Timestamp::MAX.as_nanosecond(),
    );
    let whole = (Timestamp::MIN.as_second()..=Timestamp::MAX.as_second())
        .prop_map(|second| i128::from(second) * 1_000_000_000);
    let edges = select(vec![first, first + 1, -1, 0, 1, last - 1, last]);
    prop_oneof![8 => first..=last, 2 => whole.prop_map(move |at| at.clamp(first, last)), 1 => edges]
        .prop_map(|at| Timestamp::from_nanosecond(at).unwrap())
}

fn directive() -> impl Strategy<Value = DiagnosticsDirective> {
    let targets = (
        option::of(filled_text()),
        option::of(filled_text()),
        option::of(filled_text()),
        option::of(select(EndpointKind::ALL)),
    );
    let window = (option::of(instant()), instant());
    (
        id(),
        targets,
        select(DiagLevel::ALL),
        0..=1000_u16,
        window,
        any::<(bool, bool)>(),
    )
        .prop_filter_map(
            "a start before the end",
            |(id, targets, level, rate, window, flags)| {
                let (tenant, index, principal, endpoint) = targets;
                let (starts_at, expires_at) = match window {
                    (Some(one), other) if one == other => return None,
                    (Some(one), other) => (Some(one.min(other)), one.max(other)),
                    // No directive can expire at the first possible instant, because its start must
                    // be earlier than its expiry.
                    (None, expires_at) if expires_at == Timestamp::MIN => return None,
                    (None, expires_at) => (None, expires_at),
                };
                let mut directive = DiagnosticsDirective::new(id, level, expires_at)
                    .with_match(DirectiveMatch {
                        tenant,
                        index,
                        principal,
                        endpoint,
                    })
                    .with_sample_per_mille(rate)
                    .with_ring_buffer(flags.0)
                    .with_capture(flags.1);
                directive.starts_at = starts_at;
                Some(directive)
            },
        )
}

fn audit() -> impl Strategy<Value = Audit> {
    let notes = vec(option::of(text()), 8);
    let stamps = (
        option::of(instant()),
        option::of(instant()),
        option::of(instant()),
    );
    (notes, stamps).prop_map(|(mut notes, (created_at, updated_at, revoked_at))| {
        let mut note = || notes.pop().flatten();
        Audit {
            reason: note(),
            ticket: note(),
            owner: note(),
            created_at,
            created_by: note(),
            updated_at,
            updated_by: note(),
            authenticated_as: note(),
            revoked_at,
            revoked_by: note(),
            revoked_reason: note(),
        }
    })
}

/// Generates a list of at most eight signatures by different keys. Most generated lists of
/// signatures are empty.
fn signatures() -> impl Strategy<Value = Vec<Signature>> {
    let one = |key: u8| Signature::new("a.b-c_d@e", KeyId::of(&[key; 32]), [key; 64]).unwrap();
    prop_oneof![3 => 0..1_u8, 1 => 1..9_u8].prop_map(move |keys| (0..keys).map(one).collect())
}

/// Generates documents that are valid as long as the limits permit their expiry.
pub(super) fn document() -> impl Strategy<Value = Document> {
    (directive(), audit(), any::<bool>(), signatures()).prop_map(
        |(directive, audit, revoked, signatures)| {
            let document = Document::new(directive).with_audit(audit);
            let revoked = revoked || document.revoked;
            document.with_revoked(revoked).with_signatures(signatures)
        },
    )
}

/// Returns the document as a reader decodes it at `now`. The returned document has no start if the
/// document is unsigned and its start is not after its creation.
pub(super) fn normal(mut document: Document, now: Timestamp) -> Document {
    let latest = now
        .checked_add(SignedDuration::from_mins(5))
        .unwrap_or(Timestamp::MAX);
    let unsigned = document.signatures.is_empty();
    let created_at = document.audit.created_at.filter(|_| unsigned);
    document.directive.starts_at = document.directive.starts_at.filter(|&start| {
        let created = created_at.is_some_and(|at| start <= at && start <= latest);
        start > Timestamp::UNIX_EPOCH && !created
    });
    document
}

/// Generates any JSON value that is nested at most three levels deep.
pub(super) fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..1003_i64).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
        instant().prop_map(|at| Value::from(at.to_string())),
        select(DiagLevel::ALL).prop_map(|level| Value::from(level.as_str())),
        select(EndpointKind::ALL).prop_map(|kind| Value::from(kind.as_str())),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}
