//! Tests that a signed document is rejected after a change of one bit, if a signature covers the
//! changed content.

use opensearch_directives_core::DiagLevel;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Returns the directive of a changed document; `None` if a proxy rejects the document.
fn applies(trust: &Trust, source: &str) -> Option<DiagnosticsDirective> {
    let document = decode("d", source, &limits()).ok()?;
    trust.check(&document, UUID).ok()?;
    Some(document.directive().to_directive())
}

/// Flips one bit of a string; `None` if the result is not UTF-8.
fn with_flipped_bit(text: &str, bit: usize) -> Option<String> {
    let mut bytes = text.as_bytes().to_owned();
    bytes[bit / 8] ^= 1 << (bit % 8);
    String::from_utf8(bytes).ok()
}

#[test]
fn no_bit_of_a_signed_document_can_change() {
    let alice = key("alice");
    let trust = trust(&[&alice], SignaturePolicy::required());
    let whole = directive()
        .with_match(
            DirectiveMatch::all()
                .for_tenant("acme")
                .for_index("i")
                .for_principal("p")
                .for_endpoint(EndpointKind::Count),
        )
        .with_sample_per_mille(7)
        .with_starts_at("2030-01-01T12:03:00Z".parse().unwrap())
        .with_ring_buffer(true);
    let source = signed(&whole, &[&alice]);
    assert_eq!(applies(&trust, &source).as_ref(), Some(&whole));
    let mut changed = 0;
    for bit in 0..8 * source.len() {
        let Some(flipped) = with_flipped_bit(&source, bit) else {
            continue;
        };
        changed += 1;
        // A changed document is accepted if the flipped bit did not change the directive, for
        // example because `T` or `Z` in a time became lower case, or if no signature covers the
        // changed field.
        if let Some(found) = applies(&trust, &flipped) {
            assert_eq!(found, whole, "{flipped}");
        }
    }
    assert!(changed > 3_000, "{changed}");
    // If a bit of the signature itself is flipped, the proxy always rejects the document.
    let begin = source.find("alice:").unwrap();
    for bit in 8 * begin..8 * (begin + "alice:0123456789abcdef:".len() + 128) {
        if let Some(flipped) = with_flipped_bit(&source, bit) {
            assert_eq!(applies(&trust, &flipped), None, "{flipped}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 64,
        ..ProptestConfig::default()
    })]

    /// A proxy rejects a document if its signature belongs to a different directive.
    #[test]
    fn no_other_value_has_the_signature_of_a_directive(
        rates in (0..=1000_u16, 0..=1000_u16),
        levels in (select(DiagLevel::ALL), select(DiagLevel::ALL)),
        tenants in (proptest::option::of("[a-c]{1,2}"), proptest::option::of("[a-c]{1,2}")),
        switches in any::<[bool; 4]>(),
        ends in (1..100_i64, 1..100_i64),
        starts in (proptest::option::of(1..100_i64), proptest::option::of(1..100_i64)),
    ) {
        let alice = key("alice");
        let trust = trust(&[&alice], SignaturePolicy::required());
        let after = |second: i64| limits().now + jiff::SignedDuration::from_secs(second);
        let make = |rate, level, tenant: Option<String>, switches: &[bool], end, start: Option<i64>| {
            let mut directive = DiagnosticsDirective::new("d", level, after(1_000 + end))
                .with_sample_per_mille(rate)
                .with_ring_buffer(switches[0])
                .with_capture(switches[1]);
            directive.match_.tenant = tenant;
            directive.starts_at = start.map(after);
            directive
        };
        let one = make(rates.0, levels.0, tenants.0, &switches[..2], ends.0, starts.0);
        let other = make(rates.1, levels.1, tenants.1, &switches[2..], ends.1, starts.1);
        let source = signed(&one, &[&alice]);
        let signatures = document("d", &source).signatures().to_vec();
        let moved = encode(&Document::new(other.clone()).with_signatures(signatures), &limits());
        let found = applies(&trust, moved.unwrap().get());
        prop_assert_eq!(found.is_some(), one == other);
        prop_assert_eq!(applies(&trust, &source), Some(one));
    }
}
