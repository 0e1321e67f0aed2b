//! Tests that a user must give a reason and a confirmation to replace another author's directive.

use crate::support::command::{run, words};
use crate::support::node::{installed_index, shared_url};

#[tokio::test]
async fn replacing_what_another_author_wrote_needs_a_reason_and_a_confirmation() {
    let url = shared_url();
    let index = installed_index(&url, "another").await;
    let go = |line: &str| run(&url, &index, &words(line));
    go("apply one --level ShapeTiming --tenant acme --ttl 1h --author ann").ok();
    let before = go("get one -o json").ok().json();
    // Bob needs a reason to lower the level of ann's directive, because a lower level would end the
    // recording that ann requested.
    let lower = "apply one --level Shape --tenant acme --ttl 1h --author bob";
    for (flags, expected) in [
        ("", "replaces what ann wrote; give a reason with --reason"),
        (
            "--yes",
            "replaces what ann wrote; give a reason with --reason",
        ),
        (
            "--reason INC-2",
            "one replaces what ann wrote.\nnothing was written; to write it, add --yes",
        ),
    ] {
        let refused = go(&format!("{lower} {flags}"));
        assert_eq!(refused.code, 2, "{flags}: {}", refused.stdout);
        assert!(
            refused.stderr.contains(expected),
            "{flags}: {}",
            refused.stderr
        );
        assert_eq!(go("get one -o json").ok().json(), before, "{flags}");
    }
    // A write to an existing directive needs no consent if its author is the same, if its content
    // is equal, or if it only moves the end to a later time.
    for (line, done) in [
        (
            "apply one --level ShapeTiming --tenant acme --ttl 1h --author bob",
            "unchanged one ",
        ),
        (
            "apply one --level ShapeTiming --tenant acme --ttl 2h --author bob",
            "replaced one ",
        ),
        (lower, "replaced one "),
    ] {
        let ran = go(line).ok();
        assert!(ran.stdout.starts_with(done), "{line}: {}", ran.stdout);
    }
    go("apply one --level Off --tenant acme --ttl 1h --author cem --reason INC-2 --yes").ok();
    // The error of `edit` must name the flag with which `edit` sets the reason.
    let edit = go("edit one --set capture=true --replace --yes --author dora --unset reason");
    assert_eq!(edit.code, 2);
    let expected = "captures requests; give a reason with --set reason=TEXT";
    assert!(edit.stderr.contains(expected), "{}", edit.stderr);
}
