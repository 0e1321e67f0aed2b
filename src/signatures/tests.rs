//! Tests which signatures satisfy a policy, how keys are rotated, how many verdicts are cached, and
//! that a revoked directive stays revoked.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod changed_documents;
mod files;
mod policies;
mod reloads;

use std::sync::atomic::Ordering;
use std::time::Duration;

use opensearch_directives_core::document::{
    DecodeLimits, Document, DocumentRef, Rejection, RejectionReason as Reason, Signature, decode,
    encode,
};
use opensearch_directives_core::{
    DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet, EndpointKind, RequestAttrs,
};

use super::verdict_cache::VerdictCache;
use super::{SignaturePolicy, SigningKey, Trust, TrustedKeys};

const UUID: &str = "uuid-of-the-index";

fn limits() -> DecodeLimits {
    DecodeLimits {
        now: "2030-01-01T12:00:00Z".parse().unwrap(),
        max_ttl: Duration::from_secs(24 * 60 * 60),
    }
}

fn key(name: &str) -> SigningKey {
    SigningKey::generate(name).unwrap()
}

fn trust(keys: &[&SigningKey], policy: SignaturePolicy) -> Trust {
    let lines: Vec<String> = keys.iter().map(|key| key.public().to_string()).collect();
    Trust::new(TrustedKeys::parse(&lines.join("\n")).unwrap(), policy)
}

fn directive() -> DiagnosticsDirective {
    DiagnosticsDirective::new(
        "d",
        DiagLevel::Shape,
        "2030-01-01T12:15:00Z".parse().unwrap(),
    )
    .with_match(DirectiveMatch::all().for_tenant("acme"))
}

/// Returns the stored JSON of a directive, signed with the given keys.
fn signed(directive: &DiagnosticsDirective, keys: &[&SigningKey]) -> String {
    let document = Document::new(directive.clone());
    let source = encode(&document, &limits()).unwrap();
    let form = decode(&directive.id, source.get(), &limits()).unwrap();
    let form = form.signed_form(UUID);
    let signatures: Vec<Signature> = keys.iter().map(|key| key.sign(&form).unwrap()).collect();
    let document = document.with_signatures(signatures);
    encode(&document, &limits()).unwrap().get().to_owned()
}

fn document<'a>(id: &'a str, source: &'a str) -> DocumentRef<'a> {
    decode(id, source, &limits()).unwrap()
}

fn check(trust: &Trust, source: &str) -> Result<(), Rejection> {
    trust.check(&document("d", source), UUID)
}

fn reason(trust: &Trust, source: &str) -> Option<Reason> {
    check(trust, source)
        .err()
        .map(|rejection| rejection.reason())
}

#[test]
fn a_directive_needs_a_signature_by_a_trusted_key() {
    let (alice, mallory) = (key("alice"), key("mallory"));
    let trust = trust(&[&alice], SignaturePolicy::required());
    check(&trust, &signed(&directive(), &[&alice])).unwrap();
    for source in [
        signed(&directive(), &[]),
        signed(&directive(), &[&mallory]),
        // The document is signed with an unknown key under the name of a trusted signer.
        signed(&directive(), &[&key("alice")]),
    ] {
        let rejection = check(&trust, &source).unwrap_err();
        assert_eq!(rejection.reason(), Reason::TooFewSigners, "{source}");
        let text = rejection.to_string();
        assert!(
            text.starts_with("signatures: 0 of 1 required signers"),
            "{text}"
        );
        assert!(text.contains("directives sign"), "{text}");
    }
}

#[test]
fn a_signature_counts_for_one_id_in_one_index_only() {
    let alice = key("alice");
    let source = signed(&directive(), &[&alice]);
    for policy in [SignaturePolicy::required(), SignaturePolicy::optional()] {
        let trust = trust(&[&alice], policy);
        let rejected = |id: &str, uuid: &str| {
            let rejection = trust.check(&document(id, &source), uuid).unwrap_err();
            assert_eq!(rejection.reason(), Reason::WrongSignature);
            let text = rejection.to_string();
            assert!(
                text.starts_with("signatures: alice did not sign this"),
                "{text}"
            );
        };
        trust.check(&document("d", &source), UUID).unwrap();
        rejected("e", UUID);
        rejected("d", "another-index");
    }
}

/// A signature has no expiry of its own, because the signed content contains the expiry of the
/// directive.
#[test]
fn a_signature_ends_with_the_expiry_that_was_signed() {
    let alice = key("alice");
    let trust = trust(&[&alice], SignaturePolicy::required());
    let source = signed(&directive(), &[&alice]);
    check(&trust, &source).unwrap();
    let set =
        DirectiveSet::from_directives(vec![document("d", &source).directive().to_directive()]);
    let request = RequestAttrs::new("i", "p", EndpointKind::Search).with_tenant("acme");
    let level = |now: &str| set.evaluate(&request, now.parse().unwrap(), "r").level;
    assert_eq!(level("2030-01-01T12:14:59Z"), DiagLevel::Shape);
    assert_eq!(level("2030-01-01T12:15:00Z"), DiagLevel::Off);
    let extended = source.replace("12:15:00Z", "12:16:00Z");
    assert_ne!(extended, source);
    assert_eq!(reason(&trust, &extended), Some(Reason::WrongSignature));
}

#[test]
fn without_the_policy_a_signature_is_optional_but_must_not_be_wrong() {
    let (alice, mallory) = (key("alice"), key("mallory"));
    let trust = trust(&[&alice], SignaturePolicy::optional());
    for keys in [&[][..], &[&mallory], &[&alice], &[&mallory, &alice]] {
        check(&trust, &signed(&directive(), keys)).unwrap();
    }
    let changed = signed(&directive(), &[&alice]).replace("\"Shape\"", "\"ShapeTiming\"");
    assert_eq!(reason(&trust, &changed), Some(Reason::WrongSignature));
}

#[test]
fn two_keys_of_one_signer_are_one_signer() {
    let (old, new, bob) = (key("alice"), key("alice"), key("bob"));
    let policy = SignaturePolicy::parse(r#"{"rules":[{"signers":2}]}"#).unwrap();
    let trust = trust(&[&old, &new, &bob], policy);
    assert_eq!(
        reason(&trust, &signed(&directive(), &[&old, &new])),
        Some(Reason::TooFewSigners)
    );
    check(&trust, &signed(&directive(), &[&old, &bob])).unwrap();
    check(&trust, &signed(&directive(), &[&new, &bob])).unwrap();
}

#[test]
fn a_wrong_signature_rejects_a_document_that_enough_others_signed() {
    let (alice, bob) = (key("alice"), key("bob"));
    let trust = trust(&[&alice, &bob], SignaturePolicy::required());
    let other = signed(&directive().with_capture(true), &[&bob]);
    let wrong = document("d", &other).signatures()[0].clone();
    let source = signed(&directive(), &[&alice]);
    let right = document("d", &source).signatures()[0].clone();
    let both = source.replace(&format!("\"{right}\""), &format!("\"{right}\",\"{wrong}\""));
    assert_eq!(reason(&trust, &both), Some(Reason::WrongSignature));
}

#[test]
fn keys_rotate_with_overlap() {
    let (old, new) = (key("alice"), key("alice"));
    let (by_old, by_new) = (signed(&directive(), &[&old]), signed(&directive(), &[&new]));
    let both = trust(&[&old, &new], SignaturePolicy::required());
    check(&both, &by_old).unwrap();
    check(&both, &by_new).unwrap();
    let after = trust(&[&new], SignaturePolicy::required());
    assert_eq!(reason(&after, &by_old), Some(Reason::TooFewSigners));
    check(&after, &by_new).unwrap();
}

#[test]
fn equal_content_is_verified_once() {
    let (alice, bob) = (key("alice"), key("bob"));
    let trust = trust(&[&alice, &bob], SignaturePolicy::required());
    let verified = || trust.verifications.load(Ordering::Relaxed);
    let good = signed(&directive(), &[&alice, &bob]);
    let bad = good.replace("\"Shape\"", "\"ShapeTiming\"");
    for _ in 0..3 {
        check(&trust, &good).unwrap();
        check(&trust, &bad).unwrap_err();
    }
    // The store verified three signatures: both signatures of the first document, and the first
    // signature of the second document.
    assert_eq!(verified(), 3);
    check(&trust, &signed(&directive(), &[&alice])).unwrap();
    assert_eq!(verified(), 4, "other signatures are other content");
}

#[test]
fn the_verdicts_of_the_last_reads_stay_and_no_others() {
    let cache = VerdictCache::new(10);
    let hash = |n: u8| [n; 32];
    let mut computed = 0;
    let mut read = |documents: std::ops::Range<u8>| {
        computed = 0;
        for n in documents {
            let verdict = cache.get_or(hash(n), || {
                computed += 1;
                n
            });
            assert_eq!(verdict, n);
        }
        assert!(cache.len() <= 20);
        computed
    };
    assert_eq!(read(0..8), 8);
    assert_eq!(read(0..8), 0);
    // Each iteration reads documents that no other iteration reads.
    for begin in (8..200).step_by(8) {
        assert_eq!(read(begin..begin + 8), 8);
    }
    assert_eq!(read(192..200), 0);
    assert_eq!(read(0..8), 8);
}

#[test]
fn a_verdict_that_is_used_outlives_its_generation() {
    let cache = VerdictCache::new(4);
    let mut computed = 0;
    let mut read = |documents: std::ops::Range<u8>| {
        computed = 0;
        for n in documents {
            cache.get_or([n; 32], || computed += 1);
        }
        computed
    };
    assert_eq!((read(0..4), read(4..6)), (4, 2));
    // The previous generation of the cache contains the verdicts 0 and 1, so these two verdicts are
    // not computed again.
    assert_eq!(read(0..2), 0);
    // The verdicts 6 and 7 begin another generation of the cache.
    assert_eq!(read(6..8), 2);
    assert_eq!(read(0..2), 0);
}

#[test]
fn a_revocation_that_was_seen_is_final_for_what_was_signed() {
    let (alice, bob) = (key("alice"), key("bob"));
    let trust = trust(&[&alice, &bob], SignaturePolicy::required());
    let now = limits().now;
    let source = signed(&directive(), &[&alice]);
    let revoked = source.replace("\"revoked\":false", "\"revoked\":true");
    // If somebody without a key revokes a different directive under the same id, the proxy still
    // accepts the signed directive.
    let forged = revoked.replace("\"Shape\"", "\"ShapeTiming\"");
    trust.note_revoked(&document("d", &forged), UUID, now);
    check(&trust, &source).unwrap();
    // If the only signature of a document is by an unknown key, the proxy does not remember the
    // revocation of this document.
    let unknown = signed(&directive(), &[&key("alice")]);
    let unknown = unknown.replace("\"revoked\":false", "\"revoked\":true");
    trust.note_revoked(&document("d", &unknown), UUID, now);
    check(&trust, &source).unwrap();
    trust.note_revoked(&document("d", &revoked), UUID, now);
    let rejection = check(&trust, &source).unwrap_err();
    assert_eq!(rejection.reason(), Reason::RevokedBefore);
    let text = rejection.to_string();
    assert!(
        text.starts_with("revoked: false, but this proxy has seen"),
        "{text}"
    );
    // If another signer signs the revoked directive again, the proxy still rejects it. The proxy
    // accepts a directive that differs from the revoked directive only in its expiry.
    check(&trust, &signed(&directive(), &[&bob])).unwrap_err();
    let mut later = directive();
    later.expires_at = "2030-01-01T12:15:00.000000001Z".parse().unwrap();
    check(&trust, &signed(&later, &[&alice])).unwrap();
}
