//! A fuzz target that decodes signed documents, files of trusted keys and signature policies. A
//! proxy that trusts only [`KEY`] must accept no other directive than the one in the corpus that
//! this key has signed.

use std::sync::LazyLock;

use opensearch_directives::document::{DocumentRef, Signature, decode};
use opensearch_directives::signatures::{SignaturePolicy, Trust, TrustedKeys};

use crate::{check_message, limits};

/// The public key of the private key 01 02 ... 20, which signed a directive in the corpus.
const KEY: &str =
    "directives-public-key alice 79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664";

static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    let keys = TrustedKeys::parse(KEY).expect("it is a key");
    Trust::new(keys, SignaturePolicy::required())
});

pub(crate) fn run(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else {
        return;
    };
    check_document(input);
    if let Ok(signature) = input.parse::<Signature>() {
        assert_eq!(signature.to_string(), input, "a signature has one spelling");
    }
    match TrustedKeys::parse(input) {
        Ok(keys) => {
            let lines: Vec<String> = keys.iter().map(ToString::to_string).collect();
            assert_eq!(TrustedKeys::parse(&lines.join("\n")).ok(), Some(keys));
        }
        Err(error) => check_message(&error.to_string(), 4096),
    }
    if let Err(error) = SignaturePolicy::parse(input) {
        check_message(&error.to_string(), 4096);
    }
}

fn check_document(source: &str) {
    let Ok(document) = decode("d", source, &limits()) else {
        return;
    };
    let verdict = TRUST.verdict(&document, "uuid-of-the-index");
    match verdict.rejection("d") {
        Some(rejection) => check_message(&rejection.to_string(), 4096),
        None => assert!(is_signed(&document), "a signature is forged: {document:?}"),
    }
    // A signature must not be valid for the same document in another index.
    let elsewhere = TRUST.verdict(&document, "another-index");
    assert!(elsewhere.rejection("d").is_some());
}

/// Returns true if a document has the content that the private key of [`KEY`] has signed.
fn is_signed(document: &DocumentRef<'_>) -> bool {
    let directive = document.directive();
    let targets = (directive.tenant, directive.index, directive.principal);
    (directive.id, targets) == ("d", (Some("acme"), None, None))
        && directive.endpoint.is_none()
        && directive.level.as_str() == "Shape"
        && directive.sample_per_mille == 1000
        && !directive.ring_buffer
        && !directive.capture
        && directive.starts_at.is_none()
        && directive.expires_at.to_string() == "2030-01-01T12:15:00Z"
}
