//! Fuzzes signed documents, files of trusted keys and signature policies. No input may cause a
//! panic, and every error must be safe to log. A proxy that trusts a single key must accept only
//! the seed directive, which this key has signed.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use opensearch_directives::document::{DecodeLimits, DocumentRef, Signature, decode};
use opensearch_directives::signatures::{SignaturePolicy, Trust, TrustedKeys};

/// The public key of the signer of the seed directive. The bytes of the private key are 01, 02 and
/// so on up to 20 in hexadecimal.
const KEY: &str =
    "directives-public-key alice 79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664";

static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    let keys = TrustedKeys::parse(KEY).expect("it is a key");
    Trust::new(keys, SignaturePolicy::required())
});

fuzz_target!(|input: &str| {
    document(input);
    if let Ok(signature) = input.parse::<Signature>() {
        assert_eq!(signature.to_string(), input, "a signature has one spelling");
    }
    match TrustedKeys::parse(input) {
        Ok(keys) => {
            let lines: Vec<String> = keys.iter().map(ToString::to_string).collect();
            assert_eq!(TrustedKeys::parse(&lines.join("\n")).ok(), Some(keys));
        }
        Err(error) => is_fit_for_a_log(&error.to_string()),
    }
    if let Err(error) = SignaturePolicy::parse(input) {
        is_fit_for_a_log(&error.to_string());
    }
});

fn document(source: &str) {
    let limits = DecodeLimits {
        now: Timestamp::UNIX_EPOCH,
        max_ttl: Duration::MAX,
    };
    let Ok(document) = decode("d", source, &limits) else {
        return;
    };
    let verdict = TRUST.verdict(&document, "uuid-of-the-index");
    match verdict.rejection("d") {
        Some(rejection) => is_fit_for_a_log(&rejection.to_string()),
        None => assert!(is_signed(&document), "a signature is forged: {document:?}"),
    }
    // A signature covers the uuid of the index, so the same document is rejected in another index.
    let elsewhere = TRUST.verdict(&document, "another-index");
    assert!(elsewhere.rejection("d").is_some());
}

/// Whether a document has the content of the seed directive.
fn is_signed(document: &DocumentRef<'_>) -> bool {
    let directive = document.directive();
    (directive.id, directive.tenant, directive.index, directive.principal)
        == ("d", Some("acme"), None, None)
        && directive.endpoint.is_none()
        && directive.level.as_str() == "Shape"
        && directive.sample_per_mille == 1000
        && !directive.ring_buffer
        && !directive.capture
        && directive.starts_at.is_none()
        && directive.expires_at.to_string() == "2030-01-01T12:15:00Z"
}

fn is_fit_for_a_log(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.len() < 4096, "{text:?}");
}
