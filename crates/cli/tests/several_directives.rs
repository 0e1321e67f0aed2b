//! Tests what the command reports if it can change only some of the named directives. Also tests
//! how `list` shows directives that have ended.

use serde_json::json;

use crate::support::command::{run, run_with, words};
use crate::support::node::{installed_index, shared_url, unique_index};

#[tokio::test]
async fn extend_skips_what_has_ended_and_extends_the_others() {
    let url = shared_url();
    let index = installed_index(&url, "skips").await;
    let go = |line: &str| run(&url, &index, &words(line));
    for id in ["one", "two", "gone"] {
        go(&format!("apply {id} --level Shape --tenant acme --ttl 1h")).ok();
    }
    go("revoke gone").ok();
    let ran = go("extend one gone nosuch two --by 15m");
    // If a command changes several directives, the worst result among them must decide the exit
    // code.
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    for text in [
        "replaced one in ",
        "replaced two in ",
        "skipped gone in ",
        "it is revoked; to let it apply again, use `directives apply --reactivate`",
        "not found nosuch in ",
        "2 replaced, 1 not found, 1 skipped in ",
    ] {
        assert!(ran.stdout.contains(text), "{text}: {}", ran.stdout);
    }
    let report = go("extend gone one --until +1m -o json");
    assert_eq!(report.code, 2);
    let report = report.json();
    assert_eq!(report["summary"]["skipped"], 2, "{report}");
    let detail = report["results"][1]["detail"].as_str().unwrap();
    assert!(detail.contains("is before its present end"), "{detail}");
}

#[tokio::test]
async fn the_whole_output_of_list_can_be_applied_again_and_revives_nothing() {
    let url = shared_url();
    let index = installed_index(&url, "whole").await;
    let go = |line: &str| run(&url, &index, &words(line));
    for id in ["active", "revoked"] {
        go(&format!("apply {id} --level Shape --tenant acme --ttl 1h")).ok();
    }
    go("apply scheduled --level Shape --tenant acme --starts-at +1h").ok();
    go("revoke revoked").ok();
    let before = go("list -o json").ok().stdout;
    for format in ["json", "yaml"] {
        let printed = go(&format!("list -o {format}")).ok().stdout;
        let file = tempfile::Builder::new()
            .suffix(&format!(".{format}"))
            .tempfile()
            .unwrap();
        std::fs::write(file.path(), printed).unwrap();
        let path = file.path().to_str().unwrap();
        for verb in ["apply", "diff", "validate"] {
            let ran = run(&url, &index, &[verb, "-f", path]).ok();
            assert!(
                ran.stderr
                    .contains("1 directive is expired or revoked, and skipped"),
                "{verb}: {}",
                ran.stderr
            );
            let unchanged = verb == "validate" || ran.stdout.contains("2 unchanged in ");
            assert!(unchanged, "{verb}: {}", ran.stdout);
        }
        assert_eq!(go("list -o json").ok().stdout, before);
        let again = run(&url, &index, &["revoke", "-f", path, "--dry-run"]).ok();
        assert!(
            again.stdout.contains("unchanged revoked "),
            "{}",
            again.stdout
        );
    }
    let revoked = go("get revoked -o json").ok().stdout;
    let revived = run_with(
        &url,
        &index,
        &["apply", "-f", "-", "--reactivate"],
        &revoked,
    )
    .ok();
    assert!(
        revived.stdout.contains("no longer revoked"),
        "{}",
        revived.stdout
    );
}

#[tokio::test]
async fn an_id_that_is_given_twice_counts_once() {
    let url = shared_url();
    let index = installed_index(&url, "twice").await;
    let go = |line: &str| run(&url, &index, &words(line));
    go("apply one --level Shape --tenant acme --ttl 1h").ok();
    let folder = tempfile::tempdir().unwrap();
    let bob = folder.path().join("bob").display().to_string();
    go(&format!("keygen {bob}")).ok();
    for (typed, summary) in [
        ("extend one one --by 15m", json!({ "replaced": 1 })),
        (
            "extend nosuch one nosuch --by 15m",
            json!({ "replaced": 1, "not_found": 1 }),
        ),
        (
            &*format!("sign one one --sign-with {bob}.key --yes"),
            json!({ "signed": 1 }),
        ),
        ("revoke one one", json!({ "revoked": 1 })),
    ] {
        let report = go(&format!("{typed} -o json")).json();
        assert_eq!(report["summary"], summary, "{typed}: {report}");
    }
}

#[tokio::test]
async fn edit_skips_what_has_ended_and_reports_it_as_extend_does() {
    let url = shared_url();
    let index = installed_index(&url, "ended").await;
    let go = |line: &str| run(&url, &index, &words(line));
    go("apply one --level Shape --tenant acme --ttl 1h").ok();
    go("revoke one").ok();
    let [edited, extended] = [
        "edit one --set level=Off -o json",
        "extend one --by 1h -o json",
    ]
    .map(|line| {
        let ran = go(line);
        assert_eq!(ran.code, 2, "{line}: {}", ran.stderr);
        ran.json()
    });
    assert_eq!(edited, extended);
    assert_eq!(edited["results"][0]["result"], "skipped");
}

#[tokio::test]
async fn wait_waits_also_if_only_a_part_was_written() {
    let url = shared_url();
    let index = unique_index("partly");
    run(&url, &index, &["init", "--fleet"]).ok();
    let go = |line: &str| run(&url, &index, &words(line));
    for id in ["one", "gone"] {
        go(&format!("apply {id} --level Shape --tenant acme --ttl 1h")).ok();
    }
    go("revoke gone").ok();
    for (typed, code, waits) in [
        ("extend one gone --by 15m --wait=1ms", 2, true),
        ("extend one --by 15m --wait=1ms", 8, true),
        ("extend gone --by 15m --wait=1ms", 2, false),
    ] {
        let ran = go(typed);
        assert_eq!(ran.code, code, "{typed}: {}{}", ran.stdout, ran.stderr);
        let has_waited = ran.stderr.contains("no live instance reports");
        assert_eq!(has_waited, waits, "{typed}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn edit_takes_the_maximum_time_to_live_that_its_error_names() {
    let url = shared_url();
    let index = installed_index(&url, "editttl").await;
    let go = |line: &str| run(&url, &index, &words(line));
    go("apply one --level Shape --tenant acme --ttl 1h").ok();
    let refused = go("edit one --set ttl=2h --max-ttl 90m");
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(
        refused
            .stderr
            .contains("the maximum of 1h 30m; raise it with --max-ttl"),
        "{}",
        refused.stderr
    );
    go("edit one --set ttl=2h --max-ttl 3h").ok();
}
