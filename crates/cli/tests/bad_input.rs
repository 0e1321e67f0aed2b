//! Tests that the command reports each problem of invalid input together with the remedy, and
//! writes no directive.

use crate::support::command::{Ran, directives, run, run_with};
use crate::support::node::{installed_index, shared_url};

/// The flags with which a user consents to every write, for tests that do not test consent.
const CONSENT: [&str; 4] = ["--everything", "--yes", "--reason", "test"];

#[tokio::test]
async fn an_error_of_bad_input_names_the_field_and_the_fix() {
    let url = shared_url();
    let index = installed_index(&url, "bad").await;
    let good = r#"{"id":"good","level":"Shape","ttl_secs":600}"#;
    for (bad, expected) in [
        (
            r#"{"id":"bad","level":"Shape","ttl_secs":600,"tenant":42}"#,
            "tenant: 42 is not a name",
        ),
        (
            r#"{"id":"bad","level":"Shape","ttl_secs":600,"tenant":null}"#,
            "tenant: null is not a name",
        ),
        (
            r#"{"id":"bad","level":"shape","ttl_secs":600}"#,
            "level: \"shape\" is not a level; write one of",
        ),
        (
            r#"{"id":"bad","level":"Shape","targets":["tenant"]}"#,
            "tenant: missing, but `targets` names it",
        ),
        (
            r#"{"id":"bad","level":"Shape","ttl_secs":600,"tennant":"x"}"#,
            "tennant: is not a field",
        ),
        (
            r#"{"id":"good","level":"Shape","ttl_secs":600}"#,
            "the input contains this id twice",
        ),
        (r#"{"level":"Shape","ttl_secs":600}"#, "id: missing"),
        (
            r#"{"id":"bad","level":"Shape","ttl_secs":99999999}"#,
            "exceeds the maximum of 30d",
        ),
        (
            r#"{"id":"bad","level":"Shape","expires_at":"2001-01-01T00:00:00Z"}"#,
            "is not in the future",
        ),
        (r#"{"id":"bad","level":"Shape""#, "not JSON"),
    ] {
        let ran = run_with(
            &url,
            &index,
            &[&["apply", "-f", "-"], &CONSENT[..]].concat(),
            &format!("{good}\n{bad}\n"),
        );
        assert_eq!(ran.code, 2, "{bad}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{bad}: {}", ran.stderr);
    }
    for (args, expected) in [
        (
            vec!["--level", "Shape", "--ttl", "15m", "--tenant", ""],
            "tenant",
        ),
        (
            vec!["--level", "Shape", "--ttl", "15"],
            "write a duration such as",
        ),
        (
            vec![
                "--level",
                "Shape",
                "--ttl",
                "15m",
                "--expires-at",
                "2030-01-01T00:00:00Z",
            ],
            "cannot be used with",
        ),
        (
            vec![
                "--level",
                "Shape",
                "--ttl",
                "15m",
                "--sample-per-mille",
                "1001",
            ],
            "1001 is not in 0..=1000",
        ),
    ] {
        let ran = run(&url, &index, &[&["apply", "bad"], args.as_slice()].concat());
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(run(&url, &index, &["list"]).ok().stdout, "no directives\n");
}

#[tokio::test]
async fn if_the_pipeline_refuses_one_draft_none_is_written() {
    let url = shared_url();
    let index = installed_index(&url, "refused").await;
    // The ingest pipeline must refuse a draft whose tenant is too long.
    let long = "x".repeat(5000);
    let bad = format!(r#"{{"id":"bad","level":"Shape","ttl_secs":600,"tenant":"{long}"}}"#);
    let good = r#"{"id":"good","level":"Shape","ttl_secs":600}"#;
    let ran = run_with(
        &url,
        &index,
        &[&["apply", "-f", "-"], &CONSENT[..]].concat(),
        &format!("{good}\n{bad}\n"),
    );
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("bad: tenant: it has 5000 characters"),
        "{}",
        ran.stderr
    );
    assert_eq!(run(&url, &index, &["list"]).ok().stdout, "no directives\n");
}

/// A truncated file could lose a target, and the directive would then match more requests. With
/// `--prune`, the directives in the rest of the file would be revoked.
#[test]
fn a_file_that_is_too_large_is_refused_and_not_truncated() {
    let folder = tempfile::tempdir().unwrap();
    let padding = "# x\n".repeat(16 << 20);
    for (name, content) in [
        (
            "one.yaml",
            format!("id: one\nlevel: Shape\nttl_secs: 60\n{padding}tenant: acme\n"),
        ),
        (
            "one.json",
            format!(
                "{{\"id\":\"one\",\"level\":\"Shape\",\"ttl_secs\":60,\"state\":\"active\"}}\n{}\n\
                 {{\"id\":\"two\",\"level\":\"Shape\",\"ttl_secs\":60}}\n",
                " ".repeat(64 << 20)
            ),
        ),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        let ran = directives()
            .args(["validate", "--everything", "-f"])
            .arg(&file)
            .output();
        let ran = Ran::from(ran.unwrap());
        assert_eq!(ran.code, 2, "{name}: {}", ran.stdout);
        let says = format!("{}: the input has more than 67108864 bytes", file.display());
        assert!(ran.stdout.contains(&says), "{name}: {}", ran.stdout);
    }
}
