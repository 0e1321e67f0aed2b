//! Tests `list --watch`, and the hint that `list` gives if the name of the index is wrong.

use crate::support::command::{directives, run, words};
use crate::support::node::{installed_index, shared_url};

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_list_is_printed_again_when_it_changes() {
    use std::io::BufRead as _;

    let url = shared_url();
    let index = installed_index(&url, "watch").await;
    let mut process = directives()
        .args(["list", "--watch", "-o", "name"])
        .env("DIRECTIVES_URL", &url)
        .env("DIRECTIVES_INDEX", &index)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(process.stdout.take().unwrap()).lines();
    for id in ["one", "two"] {
        run(
            &url,
            &index,
            &["apply", id, "--level", "Shape", "--tenant", "t"],
        )
        .ok();
        let seen = tokio::task::block_in_place(|| lines.any(|line| line.unwrap() == id));
        assert!(seen, "{id}");
    }
    process.kill().unwrap();
    process.wait().unwrap();
}

#[tokio::test]
async fn a_mistyped_index_lists_those_that_hold_directives() {
    let url = shared_url();
    let index = installed_index(&url, "aaa-typed").await;
    for verb in ["list", "get one", "apply one --level Shape --tenant t"] {
        let ran = run(&url, &index.replace("typed", "typde"), &words(verb));
        assert_eq!(ran.code, 3, "{verb}: {}", ran.stderr);
        let printed = &ran.stderr;
        assert!(
            printed.contains("does not exist; directives are in "),
            "{verb}: {printed}"
        );
        assert!(printed.contains(&index), "{verb}: {printed}");
    }
}

#[tokio::test]
async fn a_list_is_filtered_sorted_and_cut_off() {
    let url = shared_url();
    let index = installed_index(&url, "filters").await;
    let consent = "--yes --reason r";
    for line in [
        "b-soon --level Shape --tenant acme --ttl 5m --author ann",
        "a-late --level Shape --index orders --ttl 2h --author bob --owner team",
        "d-all --level Off --ring-buffer --everything --ttl 30m --author bob",
        "c-capture --level Shape --tenant globex --capture --ttl 10m --author ann",
        "e-planned --level Shape --tenant acme --starts-at +10m --for 10m --author ann",
        "f-gone --level Shape --tenant acme --author ann",
    ] {
        run(&url, &index, &words(&format!("apply {line} {consent}"))).ok();
    }
    run(
        &url,
        &index,
        &words("revoke f-gone --author eve --reason over"),
    )
    .ok();
    run(&url, &index, &words("extend a-late --by 1m --author carol")).ok();
    for (flags, expected) in [
        // Without `--sort`, `list` prints active directives first, in the order in which they end.
        ("", "b-soon c-capture d-all a-late e-planned f-gone"),
        (
            "--sort id",
            "a-late b-soon c-capture d-all e-planned f-gone",
        ),
        (
            "--sort expires",
            "b-soon c-capture f-gone e-planned d-all a-late",
        ),
        ("--sort updated --limit 2", "a-late f-gone"),
        ("--limit 1", "b-soon"),
        ("--limit 0", ""),
        ("--ending-within 15m", "b-soon c-capture"),
        ("--ending-within 1h", "b-soon c-capture d-all e-planned"),
        (
            "--matches tenant=acme",
            "b-soon d-all a-late e-planned f-gone",
        ),
        (
            "--matches tenant=acme --matches index=logs",
            "b-soon d-all e-planned f-gone",
        ),
        ("--matches endpoint=search --everything", "d-all"),
        ("--by bob", "d-all a-late"),
        ("--by carol", "a-late"),
        ("--owner team", "a-late"),
        ("--capture", "c-capture"),
        ("--state scheduled,revoked", "e-planned f-gone"),
        ("--state active --by ann", "b-soon c-capture"),
    ] {
        let ran = run(&url, &index, &words(&format!("list -o name {flags}"))).ok();
        let names: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(names.join(" "), expected, "{flags}");
        let is_cut = flags.contains("--limit");
        assert_eq!(
            ran.stderr.contains("more (--limit)"),
            is_cut,
            "{flags}: {}",
            ran.stderr
        );
    }
    let wide = run(&url, &index, &words("list -o wide --sort id"))
        .ok()
        .stdout;
    let lines: Vec<&str> = wide.lines().collect();
    for (line, texts) in [
        (
            0,
            &["STARTS", "CREATED BY", "REVOKED BY", "REVOKED FOR"][..],
        ),
        (1, &["carol", "bob", "team"][..]),
        (5, &["scheduled", "in 9m"][..]),
        (6, &["revoked", "ann", "eve", "over"][..]),
    ] {
        for text in texts {
            assert!(lines[line].contains(text), "{text}: {wide}");
        }
    }
}
