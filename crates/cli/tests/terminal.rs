//! Tests the questions that the command asks on a terminal, and that no line of the command's
//! output is wider than the terminal.

use crate::support::command::{protected_context, run, words};
use crate::support::node::{installed_index, shared_url};
use crate::support::terminal::Terminal;

#[tokio::test]
async fn a_change_with_a_wide_effect_is_written_only_after_a_yes() {
    let url = shared_url();
    let index = installed_index(&url, "asked").await;
    let terminal = Terminal {
        url: &url,
        index: &index,
        columns: 120,
    };
    run(
        &url,
        &index,
        &words("apply one --level Shape --tenant acme --owner team --ttl 1h"),
    )
    .ok();
    let stored = || run(&url, &index, &["get", "one", "-o", "json"]).json();
    for (typed, question, done) in [
        (
            "apply one --level ShapeTiming --tenant acme --owner team --ttl 1h",
            "This would widen a directive",
            "replaced one",
        ),
        (
            "edit one --set capture=true --set reason=INC-1 --set ttl=5m",
            "one captures requests.",
            "replaced one",
        ),
        ("revoke --all", "Revoke 1 directive?", "revoked one"),
        ("edit one --set level=Shape", "it is revoked", ""),
        (
            "apply one --level Shape --tenant acme --owner team --reason again",
            "This would widen a directive",
            "replaced one",
        ),
        (
            "revoke --owner team --by tester",
            "Revoke 1 directive?",
            "revoked one",
        ),
        (
            "delete --state revoked",
            "Delete 1 directive? `directives revoke` would keep the record.",
            "deleted one",
        ),
    ] {
        let before = stored();
        for reply in ["", "n", "no", "EOF"] {
            let declined = terminal.run(&words(typed), reply);
            assert_eq!(declined.code, 2, "{typed}: {}", declined.stdout);
            assert!(
                declined.stdout.contains(question),
                "{typed}: {}",
                declined.stdout
            );
            assert_eq!(stored(), before, "{typed}");
        }
        if done.is_empty() {
            continue;
        }
        let accepted = terminal.run(&words(typed), "y");
        assert_eq!(accepted.code, 0, "{typed}: {}", accepted.stdout);
        assert!(
            accepted.stdout.contains(done),
            "{typed}: {}",
            accepted.stdout
        );
    }
    assert_eq!(run(&url, &index, &["list"]).ok().stdout, "no directives\n");
}

#[tokio::test]
async fn a_protected_context_asks_before_each_write_once() {
    let url = shared_url();
    let index = installed_index(&url, "protected").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contexts.yaml");
    protected_context(&file, &url, &index);
    let terminal = Terminal {
        url: &url,
        index: &index,
        columns: 120,
    };
    let variables = [("DIRECTIVES_CONFIG", file.to_str().unwrap())];
    for (typed, done) in [
        (
            "apply one --level Shape --tenant acme --ttl 1h",
            "created one",
        ),
        ("extend one --by 1h", "replaced one"),
        ("edit one --set index=orders", "replaced one"),
        (
            "apply one --level Shape --tenant acme --ttl 1h",
            "replaced one",
        ),
        ("revoke one", "revoked one"),
        ("delete one", "deleted one"),
        ("init", "ingest pipeline"),
        (
            "init --upgrade --history --fleet",
            "documents to the stored form",
        ),
    ] {
        let at = |reply: &str| terminal.run_with(&variables, &words(typed), reply);
        let declined = at("n");
        assert_eq!(declined.code, 2, "{typed}: {}", declined.stdout);
        for text in ["context prod", "protected"] {
            assert!(
                declined.stdout.contains(text),
                "{typed}: {}",
                declined.stdout
            );
        }
        if typed.contains("--upgrade") {
            for part in ["the history", "the index of the fleet", "converted"] {
                assert!(
                    declined.stdout.contains(part),
                    "{part}: {}",
                    declined.stdout
                );
            }
        }
        let accepted = at("y");
        assert_eq!(accepted.code, 0, "{typed}: {}", accepted.stdout);
        assert!(
            accepted.stdout.contains(done),
            "{typed}: {}",
            accepted.stdout
        );
        let questions = accepted.stdout.matches("[y/N]").count();
        assert_eq!(questions, 1, "{typed}: {}", accepted.stdout);
    }
}

#[tokio::test]
async fn a_table_fits_the_terminal_and_is_whole_in_a_pipe() {
    let url = shared_url();
    let index = installed_index(&url, "fits").await;
    let reason = "the searches of the checkout are slow since the deployment of yesterday evening";
    let apply = ["apply", "slow-acme-checkout", "--reason", reason];
    let rest = words("--level ShapeTiming --tenant acme --index orders --principal checkout");
    run(&url, &index, &[&apply[..], &rest].concat()).ok();
    for columns in [40, 80, 100, 132] {
        let terminal = Terminal {
            url: &url,
            index: &index,
            columns,
        };
        for format in ["table", "wide"] {
            let shown = terminal.run(&["list", "-o", format], "").ok().stdout;
            assert!(shown.contains('…'), "{shown}");
            assert!(
                columns < 80 || shown.contains("slow-acme-checkout"),
                "{shown}"
            );
            if format == "table" {
                let widest = shown.lines().map(|line| line.chars().count()).max();
                assert!(
                    widest.unwrap() <= usize::from(columns),
                    "{columns}: {shown}"
                );
            }
        }
    }
    let piped = run(&url, &index, &["list", "-o", "wide"]).ok().stdout;
    assert!(piped.contains(reason), "{piped}");
}

#[tokio::test]
async fn a_change_that_widens_is_in_colour_only_on_a_terminal_that_wants_colours() {
    const YELLOW: &str = "\u{1b}[33m";
    let url = shared_url();
    let index = installed_index(&url, "colours").await;
    let apply = words("apply one --level Shape --tenant acme --sample 10% --ttl 1h");
    run(&url, &index, &apply).ok();
    let widen = words("apply one --level Shape --tenant acme --sample 20% --ttl 1h --dry-run");
    let ask = words("apply two --level Shape --everything --reason r");
    let terminal = Terminal {
        url: &url,
        index: &index,
        columns: 120,
    };
    let colours = [("NO_COLOR", ""), ("TERM", "xterm-256color")];
    let shown = terminal.run_with(&colours, &widen, "").ok().stdout;
    let widening = format!("{YELLOW}sample 100 ‰ → 200 ‰ (wider)");
    assert!(shown.contains(&widening), "{shown:?}");
    let asked = terminal.run_with(&colours, &ask, "n").stdout;
    assert!(
        asked.contains(&format!("{YELLOW}Shape, EVERY REQUEST")),
        "{asked:?}"
    );
    for plain in [
        terminal.run(&widen, ""),
        terminal.run(&ask, "n"),
        run(&url, &index, &widen),
        run(&url, &index, &ask),
    ] {
        let printed = format!("{}{}", plain.stdout, plain.stderr);
        assert!(printed.contains("would "), "{printed:?}");
        assert!(!printed.contains('\u{1b}'), "{printed:?}");
        assert!(!printed.contains("\\u{1b}"), "{printed:?}");
    }
}

#[tokio::test]
async fn a_watched_list_replaces_the_former_one_until_ctrl_c() {
    let url = shared_url();
    let index = installed_index(&url, "watched").await;
    run(
        &url,
        &index,
        &words("apply one --level Shape --tenant acme"),
    )
    .ok();
    let terminal = Terminal {
        url: &url,
        index: &index,
        columns: 80,
    };
    // `list --watch` must clear the terminal's screen before each list even if the variable
    // `NO_COLOR` is set.
    let stop = [("ON_TERMINAL_STOP_AT", "next: one ends in")];
    let ran = terminal.run_with(&stop, &["list", "--watch"], "");
    assert_ne!(ran.code, 0, "a signal ended the command");
    let lists: Vec<&str> = ran.stdout.split("\u{1b}[2J\u{1b}[H").collect();
    assert_eq!(lists.len(), 3, "{:?}", ran.stdout);
    for list in &lists[1..] {
        assert_eq!(list.matches("ID ").count(), 1, "{:?}", ran.stdout);
    }
}
