//! Tests that `directives keygen` creates a pair of keys. Also tests that the flags for keys refuse
//! unusable keys.

use std::fs;

use crate::support::command::{Ran, directives};

#[test]
fn a_key_is_created_once_and_private() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("alice");
    let keygen = || -> Ran {
        let made = directives().arg("keygen").arg(&base).output();
        made.unwrap().into()
    };
    let made = keygen().ok();
    assert!(
        made.stdout.contains("alice.key holds the private key"),
        "{}",
        made.stdout
    );
    let private = fs::read_to_string(base.with_extension("key")).unwrap();
    let seed = private.split_whitespace().nth(2).unwrap();
    assert!(!made.stdout.contains(seed));
    let again = keygen();
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
    assert_eq!(
        fs::read_to_string(base.with_extension("key")).unwrap(),
        private
    );
    for args in [
        &["agent", "--signatures", "required"][..],
        &["agent", "--trusted-keys", "a.pub", "--signatures", "strict"],
        &["verify"],
        &["sign", "one"],
        &[
            "apply",
            "one",
            "--level",
            "Shape",
            "--tenant",
            "a",
            "--sign-with",
            "missing.key",
        ],
    ] {
        let ran: Ran = directives().args(args).output().unwrap().into();
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
    }
}
