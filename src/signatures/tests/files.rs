//! Tests that no key file is overwritten, that only the owner can read a private key, and that
//! malformed key files are refused.

use std::fs;

use opensearch_directives_core::document::SignedForm;

use super::*;
use crate::error::chain;
use crate::signatures::{PublicKey, SignatureErrorKind};

#[test]
fn a_key_survives_its_files_and_none_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("alice");
    let alice = key("alice");
    let (private, public) = alice.create_files(&base).unwrap();
    assert!(private.ends_with("alice.key") && public.ends_with("alice.pub"));
    let read = SigningKey::read(&private).unwrap();
    assert_eq!(read.public(), alice.public());
    let trusted = TrustedKeys::read(&[&public]).unwrap();
    assert_eq!(trusted.iter().collect::<Vec<_>>(), [alice.public()]);
    let source = signed(&directive(), &[&read]);
    check(&trust(&[&alice], SignaturePolicy::required()), &source).unwrap();

    let before = (fs::read(&private).unwrap(), fs::read(&public).unwrap());
    let error = chain(&key("alice").create_files(&base).unwrap_err());
    assert!(error.contains("exists already"), "{error}");
    // If only one of the two files of a key exists, `create_files` also returns an error and leaves
    // no new file.
    fs::remove_file(&public).unwrap();
    key("alice").create_files(&base).unwrap_err();
    assert!(!public.exists());
    assert_eq!(fs::read(&private).unwrap(), before.0);
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_a_private_key() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (private, _) = key("a").create_files(&folder.path().join("a")).unwrap();
    let mode = fs::metadata(&private).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::set_permissions(&private, fs::Permissions::from_mode(0o640)).unwrap();
    let error = SigningKey::read(&private).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}

#[test]
fn a_private_key_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let alice = key("alice");
    let (private, public) = alice.create_files(&folder.path().join("alice")).unwrap();
    let text = fs::read_to_string(&private).unwrap();
    let seed = text.split_whitespace().nth(2).unwrap();
    assert!(!format!("{alice:?}").contains(seed));
    // If a file of trusted keys contains a private key, the file is refused, and the error does not
    // contain the private key.
    let error = TrustedKeys::read(&[&private, &public]).unwrap_err();
    let error = chain(&error);
    assert!(error.contains("line 1: it is a private key"), "{error}");
    assert!(
        error.contains("alice.key") && !error.contains(seed),
        "{error}"
    );
}

#[test]
fn a_file_of_trusted_keys_is_read_strictly() {
    let (alice, bob) = (
        key("alice").public().to_string(),
        key("bob").public().to_string(),
    );
    let parse = |text: &str| TrustedKeys::parse(text).map(|keys| keys.iter().count());
    let both = format!("# signers\n\n{alice}\n  {bob}  \n{alice}\n");
    assert_eq!(parse(&both).unwrap(), 2);
    assert_eq!(parse("# nobody\n").unwrap(), 0);
    for (line, problem) in [
        ("alice", "line 2: it is not a public key"),
        (&alice.replace("public", "secret"), "it is not a public key"),
        (
            &alice[..alice.len() - 1],
            "the name or the key is malformed",
        ),
        (&alice.to_uppercase(), "it is not a public key"),
        (&format!("{alice} more"), "it is not a public key"),
        (
            &alice.replace("alice", "al:ice"),
            "the name or the key is malformed",
        ),
        (
            &bob.replace("bob", "alice"),
            "must not count as two signers",
        ),
    ] {
        let error = parse(&format!("{bob}\n{line}")).unwrap_err();
        assert_eq!(error.kind(), SignatureErrorKind::TrustedKeys);
        assert!(error.to_string().contains(problem), "{line}: {error}");
    }
    let error = SigningKey::generate("al/ice").unwrap_err();
    assert_eq!(error.kind(), SignatureErrorKind::Name);
    assert_eq!(alice.parse::<PublicKey>().unwrap().name(), "alice");
}

#[test]
fn trusted_keys_and_their_files_are_bounded() {
    let lines: Vec<String> = (0..=1_000)
        .map(|number| key(&format!("signer-{number}")).public().to_string())
        .collect();
    let most = TrustedKeys::parse(&lines[1..].join("\n")).unwrap();
    assert_eq!(most.iter().count(), 1_000);
    let error = TrustedKeys::parse(&lines.join("\n")).unwrap_err();
    assert!(error.to_string().contains("more than 1000 keys"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    std::fs::write(&file, "# ".repeat((1 << 19) + 1)).unwrap();
    let error = chain(&TrustedKeys::read(&[&file]).unwrap_err());
    assert!(error.contains("larger than 1048576 bytes"), "{error}");
}

/// Checks the test vector in `docs/SIGNATURES.md`, which another implementation of Ed25519
/// computed.
#[test]
fn a_signature_is_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alice.key");
    let seed: String = (1..=32).fold(String::new(), |seed, byte| format!("{seed}{byte:02x}"));
    write_private(&file, &format!("directives-private-key alice {seed}\n"));
    let alice = SigningKey::read(&file).unwrap();
    let matched = DirectiveMatch::all()
        .for_tenant("acme")
        .for_principal("é")
        .for_endpoint(EndpointKind::Search);
    let end = "2030-01-01T12:15:00.000000001Z".parse().unwrap();
    let directive = DiagnosticsDirective::new("slow-acme", DiagLevel::ShapeTiming, end)
        .with_match(matched)
        .with_sample_per_mille(100)
        .with_starts_at("2030-01-01T12:00:00Z".parse().unwrap())
        .with_ring_buffer(true);
    let form = SignedForm::new(directive.as_ref(), UUID);
    let documentation = include_str!("../../../docs/SIGNATURES.md");
    for line in [
        alice.public().to_string(),
        alice.sign(&form).unwrap().to_string(),
    ] {
        assert!(documentation.contains(&format!("{line}\n")), "{line}");
    }
}

/// Writes a file that only its owner can read.
fn write_private(file: &std::path::Path, text: &str) {
    fs::write(file, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
}
