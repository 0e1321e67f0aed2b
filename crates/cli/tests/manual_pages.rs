//! Tests that `directives man FOLDER` writes one manual page for each command, including nested
//! subcommands.

use crate::support::command::directives;

#[test]
fn manual_pages_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let ran = directives().arg("man").arg(folder.path()).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    for page in [
        "directives.1",
        "directives-apply.1",
        "directives-context-set.1",
    ] {
        assert!(folder.path().join(page).exists(), "{page}");
    }
}
