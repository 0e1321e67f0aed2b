//! Tests `diff`, which compares files with the index, and `validate`, which checks files without a
//! cluster.

use crate::support::command::{run, run_with, words};
use crate::support::node::{installed_index, shared_url};

#[tokio::test]
async fn diff_shows_what_apply_would_change_and_ends_with_7() {
    let url = shared_url();
    let index = installed_index(&url, "diff").await;
    let file = r#"{"id":"one","level":"Shape","tenant":"acme","ttl_secs":3600}"#;
    let diff = |input: &str| run_with(&url, &index, &["diff", "-f", "-"], input);
    let new = diff(file);
    assert_eq!(new.code, 7, "{}", new.stderr);
    assert!(new.stdout.contains("would create one"), "{}", new.stdout);
    assert_eq!(run(&url, &index, &["list"]).ok().stdout, "no directives\n");
    run_with(&url, &index, &["apply", "-f", "-"], file).ok();
    assert!(diff(file).ok().stdout.starts_with("unchanged one "));
    let wider = diff(&file.replace("acme", "umbrella"));
    assert_eq!(wider.code, 7);
    assert!(
        wider.stdout.contains("tenant acme → umbrella (wider)"),
        "{}",
        wider.stdout
    );
}

#[test]
fn validate_needs_no_cluster() {
    let nowhere = "http://127.0.0.1:1";
    let validate = |input: &str| run_with(nowhere, "none", &["validate", "-f", "-"], input);
    let good = r#"{"id":"one","level":"Shape","tenant":"acme","ttl_secs":3600}"#;
    assert_eq!(validate(good).ok().stdout, "1 of 1 directive valid\n");
    for (input, expected) in [
        (good.replace("Shape", "Loud"), "level"),
        (good.replace("3600", "99999999"), "exceeds the maximum"),
        (good.replace(r#""tenant":"acme","#, ""), "no target"),
    ] {
        let ran = validate(&input);
        assert_eq!(ran.code, 2, "{input}");
        assert!(ran.stdout.contains(expected), "{input}: {}", ran.stdout);
    }
}

#[tokio::test]
async fn diff_shows_what_apply_does_with_the_limits_and_the_owner_of_the_cluster() {
    let url = shared_url();
    let index = installed_index(&url, "diffsame").await;
    let go = |line: &str, input: &str| run_with(&url, &index, &words(line), input);
    // A directive that captures requests and states no end must get a shorter time to live than
    // other directives without an end.
    let files = [
        r#"{"id":"c","level":"Shape","tenant":"acme","capture":true,"reason":"r"}"#,
        r#"{"id":"o","level":"Shape","tenant":"acme"}"#,
    ];
    let file = files.join("\n");
    let applied = "apply -f - --owner team --yes";
    let end = |ran: &str, id: &str| {
        let line = ran
            .lines()
            .find(|line| line.contains(&format!(" {id} in ")))
            .unwrap();
        line.rsplit('(')
            .next()
            .unwrap()
            .split(['m', ' '])
            .next()
            .unwrap()
            .to_owned()
    };
    let diff = go("diff -f - --owner team", &file);
    assert_eq!(diff.code, 7, "{}", diff.stderr);
    let written = go(applied, &file).ok().stdout;
    for id in ["c", "o"] {
        let [shown, written] = [&diff.stdout, &written].map(|ran| end(ran, id));
        let near = |text: &str| text.parse::<i32>().unwrap();
        assert!(
            (near(&shown) - near(&written)).abs() <= 1,
            "{id}: {shown} {written}"
        );
    }
    // `diff --owner` must not report a difference if the directive has the given owner and the file
    // states no owner.
    assert!(
        go("diff -f - --owner team", &file)
            .ok()
            .stdout
            .contains("2 unchanged in ")
    );
    let without = go("diff -f -", &file);
    assert!(
        without.stdout.contains("owner team dropped"),
        "{}",
        without.stdout
    );
    // `diff --prune` must also show which directives `apply --prune` would revoke.
    let pruned = go("diff -f - --owner team --prune", files[0]);
    assert_eq!(pruned.code, 7);
    assert!(
        pruned.stdout.contains("would revoke o in "),
        "{}",
        pruned.stdout
    );
    let long = go(
        "diff -f -",
        r#"{"id":"x","level":"Shape","tenant":"t","ttl_secs":9000000}"#,
    );
    assert_eq!(long.code, 2);
    assert!(
        long.stderr
            .contains("ttl_secs 104d 4h exceeds the maximum of 30d"),
        "{}",
        long.stderr
    );
}

#[test]
fn validate_reports_every_problem_of_every_file_also_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let good = r#"{"id":"good","level":"Shape","tenant":"acme","ttl_secs":3600}"#;
    for (name, content) in [
        ("a.json", good.to_owned()),
        ("b.json", "{\"id\":\"b\"".to_owned()),
        (
            "c.yaml",
            "id: c\nlevel: Shape\ntenant: 'logs-*'\n---\nid: d\nlevel: Shape\n".to_owned(),
        ),
        ("d.yaml", "id: e\nlevel: Loud\ntenant: t\n".to_owned()),
        ("e.ndjson", good.to_owned()),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let expected = [
        ("b.json", None, "not JSON"),
        ("c.yaml", Some("c"), "compared literally"),
        ("c.yaml", Some("d"), "no target"),
        (
            "d.yaml",
            None,
            "entry 1 (e): level: \"Loud\" is not a level",
        ),
        ("e.ndjson", Some("good"), "the id is also in"),
    ];
    let text = run("http://127.0.0.1:1", "none", &["validate", "-f", path]);
    assert_eq!(text.code, 2, "{}", text.stderr);
    assert!(
        text.stdout.ends_with("1 of 4 directives valid\n"),
        "{}",
        text.stdout
    );
    let lines: Vec<&str> = text
        .stdout
        .lines()
        .filter(|line| line.starts_with("invalid "))
        .collect();
    assert_eq!(lines.len(), expected.len(), "{}", text.stdout);
    let json = run(
        "http://127.0.0.1:1",
        "none",
        &["validate", "-f", path, "-o", "json"],
    );
    assert_eq!(json.code, 2);
    let report = json.json();
    assert_eq!(report["directives"], 4);
    for (number, (file, id, problem)) in expected.into_iter().enumerate() {
        let one = &report["problems"][number];
        assert!(one["file"].as_str().unwrap().ends_with(file), "{one}");
        assert_eq!(one["id"].as_str(), id, "{one}");
        assert!(one["problem"].as_str().unwrap().contains(problem), "{one}");
        assert!(text.stdout.contains(problem), "{problem}: {}", text.stdout);
    }
    // The error message about a YAML file must not contain a line number, because the command would
    // count the lines of the converted JSON.
    assert!(
        !text.stdout.contains("line 1, entry 1 (e)"),
        "{}",
        text.stdout
    );
}

/// A path may contain bytes that are not UTF-8, but JSON cannot represent them.
#[cfg(target_os = "linux")]
#[test]
fn a_path_that_is_not_utf_8_is_reported_as_json() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use crate::support::command::{Ran, directives};

    let folder = tempfile::tempdir().unwrap();
    let strange = folder.path().join(OsStr::from_bytes(b"\xff"));
    std::fs::create_dir(&strange).unwrap();
    std::fs::write(strange.join("a.json"), "{").unwrap();
    let run = |verb: &str, path: &std::path::Path| -> Ran {
        let words: &[&str] = match verb {
            "validate" => &["validate", "-o", "json", "-f"],
            _ => &["keygen", "-o", "json"],
        };
        let ran = directives().args(words).arg(path).output();
        ran.unwrap().into()
    };
    let validated = run("validate", &strange.join("a.json"));
    assert_eq!(validated.code, 2, "{}", validated.stderr);
    let file = validated.json()["problems"][0]["file"].clone();
    assert!(
        file.as_str().unwrap().ends_with("\u{fffd}/a.json"),
        "{file}"
    );
    let created = run("keygen", &strange.join("alice")).ok().json();
    let file = created["public_key"].as_str().unwrap();
    assert!(file.ends_with("\u{fffd}/alice.pub"), "{file}");
}
