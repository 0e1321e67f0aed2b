//! Tests the warning about a directive that has no effect because another directive covers it. Also
//! tests that `apply` with several endpoints creates one directive for each endpoint.

use serde_json::json;

use crate::support::command::{Ran, run, run_with, words};
use crate::support::in_hours;
use crate::support::node::{installed_index, shared_url};

#[tokio::test]
async fn a_directive_that_another_one_covers_gives_a_warning_and_is_written() {
    let url = shared_url();
    let index = installed_index(&url, "covered").await;
    let go = |text: &str| -> Ran { run(&url, &index, &words(text)).ok() };
    go("apply wide --level ShapeTiming --tenant acme --sample 50% --ttl 2h");
    go("apply ended --level ShapeRewriteDiff --tenant acme --ttl 2h");
    go("revoke ended");
    for (typed, by) in [
        (
            "covered --level Shape --tenant acme --index orders --sample 50% --ttl 1h",
            "wide",
        ),
        (
            "higher --level ShapeRewriteDiff --tenant acme --index orders --sample 50%",
            "",
        ),
        (
            "more --level Shape --tenant acme --index orders --sample 60%",
            "",
        ),
        (
            "longer --level Shape --tenant acme --index orders --sample 5% --ttl 3h",
            "",
        ),
        ("other --level Shape --tenant umbrella --sample 5%", ""),
        (
            "buffer --level Shape --tenant acme --sample 5% --ring-buffer",
            "",
        ),
    ] {
        let written = go(&format!("apply {typed}"));
        let warning = format!("it adds nothing, because {by} already records");
        let warns = written.stderr.contains("it adds nothing");
        assert_eq!(warns, !by.is_empty(), "{typed}: {}", written.stderr);
        assert!(
            by.is_empty() || written.stderr.contains(&warning),
            "{}",
            written.stderr
        );
        assert!(written.stdout.starts_with("created "), "{}", written.stdout);
    }
    // The command must also warn if an edit changes a directive so that another directive covers
    // it.
    let edited = go("edit longer --set expires_at=+1h");
    assert!(
        edited.stderr.contains("warning: longer: it adds nothing"),
        "{}",
        edited.stderr
    );
    for (typed, warning) in [
        (
            "apply off --level Off --tenant acme",
            "turns no other directive off",
        ),
        (
            "apply none --level Shape --tenant acme --sample 0%",
            "matches no request",
        ),
    ] {
        assert!(go(typed).stderr.contains(warning), "{typed}");
    }
}

#[tokio::test]
async fn of_many_warnings_the_first_are_shown() {
    let url = shared_url();
    let index = installed_index(&url, "manycovered").await;
    let end = in_hours(1);
    let lines: Vec<String> = (10..25)
        .map(|n| json!({"id": format!("d{n}"), "level": "Shape", "tenant": "t", "expires_at": end}))
        .map(|draft| draft.to_string())
        .collect();
    let applied = run_with(&url, &index, &["apply", "-f", "-"], &lines.join("\n")).ok();
    // The command must not warn about the directive `d10`, which no other directive covers.
    assert!(
        !applied.stderr.contains("d10: it adds"),
        "{}",
        applied.stderr
    );
    assert_eq!(applied.stderr.matches("it adds nothing").count(), 10);
    assert!(
        applied.stderr.ends_with("and 4 more warnings\n"),
        "{}",
        applied.stderr
    );
}

#[tokio::test]
async fn several_endpoints_become_one_directive_each() {
    let url = shared_url();
    let index = installed_index(&url, "endpoints").await;
    let go = |text: &str| -> Ran { run(&url, &index, &words(text)) };
    let typed =
        "apply slow --level shape-timing --tenant acme --endpoint search,INGEST_BULK,Search";
    let report = go(&format!("{typed} -o json")).ok().json();
    assert_eq!(report["summary"], serde_json::json!({"created": 2}));
    let ids = go("list --sort id -o name").ok().stdout;
    assert_eq!(ids, "slow-IngestBulk\nslow-Search\n");
    assert_eq!(go("get slow-Search -o json").json()["endpoint"], "Search");
    let again = go(typed).ok().stdout;
    assert!(again.contains("2 unchanged in "), "{again}");
    go("apply one --level Shape --tenant acme --endpoint count,Count").ok();
    assert_eq!(go("get one -o json").json()["endpoint"], "Count");
    let refused = go("apply two --level Shape --tenant acme --endpoint Search,Bulk");
    assert_eq!(refused.code, 2);
    assert!(
        refused.stderr.contains("did you mean IngestBulk?"),
        "{}",
        refused.stderr
    );
}

/// On a terminal, `list --watch` must show below the table which directive starts next and which
/// directive ends next.
#[tokio::test(flavor = "multi_thread")]
async fn a_watched_table_says_what_starts_and_ends_next() {
    use std::io::BufRead as _;

    let url = shared_url();
    let index = installed_index(&url, "next").await;
    for text in [
        "soon --level Shape --tenant acme --ttl 1h",
        "late --level Shape --tenant acme --ttl 2h --ring-buffer",
        "night --level Shape --tenant acme --starts-at +3h --for 1h",
    ] {
        run(&url, &index, &words(&format!("apply {text}"))).ok();
    }
    let mut process = crate::support::command::directives()
        .args(["list", "--watch"])
        .env("DIRECTIVES_URL", &url)
        .env("DIRECTIVES_INDEX", &index)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(process.stdout.take().unwrap()).lines();
    let next = tokio::task::block_in_place(|| {
        lines.find(|line| line.as_ref().unwrap().starts_with("next: "))
    });
    let next = next.unwrap().unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(next.starts_with("next: night starts in 2h "), "{next}");
    assert!(next.contains("; soon ends in 59m"), "{next}");
}
