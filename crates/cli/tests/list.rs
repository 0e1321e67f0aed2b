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
