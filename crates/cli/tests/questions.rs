//! Tests that a question on a terminal shows the writes that need the user's consent, and that a
//! write does not let a directive apply again that ended while the command waited for the reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use opensearch_directives::{Clock as _, SystemClock};
use serde_json::json;

use crate::support::command::{protected_context, run, run_with, words};
use crate::support::forwarding_proxy::{pass, serve};
use crate::support::node::{installed_index, shared_url};
use crate::support::terminal::Terminal;

/// Returns a file with directives in lines, one for each id, that match the given tenant.
fn lines(ids: impl Iterator<Item = String>, tenant: &str) -> String {
    ids.map(|id| format!(r#"{{"id":"{id}","level":"Shape","tenant":"{tenant}","ttl_secs":3600}}"#))
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn a_question_shows_and_names_what_the_user_consents_to() {
    let url = shared_url();
    let index = installed_index(&url, "shown").await;
    let many = || (10..35).map(|n| format!("same{n}"));
    let stored = [
        lines(many(), "acme"),
        lines(["wider", "zgone"].map(str::to_owned).into_iter(), "acme"),
    ];
    let owner = words("apply -f - --owner team");
    run_with(&url, &index, &owner, &stored.join("\n")).ok();
    let desired = [
        lines(many(), "acme"),
        lines((10..35).map(|n| format!("new{n}")), "acme"),
        lines(["wider".to_owned()].into_iter(), "globex"),
    ];
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), desired.join("\n")).unwrap();
    let terminal = Terminal {
        url: &url,
        index: &index,
        columns: 120,
    };
    let apply = format!("apply -f {} --owner team --prune", file.path().display());
    let asked = terminal.run(&words(&apply), "n");
    assert_eq!(asked.code, 2, "{}", asked.stdout);
    let (revoked, rest) = asked
        .stdout
        .split_once("would replace wider ")
        .unwrap_or_else(|| panic!("{}", asked.stdout));
    assert!(revoked.contains("would revoke zgone "), "{}", asked.stdout);
    assert!(rest.contains("would create new10 "), "{}", asked.stdout);
    assert!(!asked.stdout.contains("same10"), "{}", asked.stdout);
    for text in [
        "and 7 more",
        "This would widen a directive, remove something from it, or let it apply again: wider.",
        "Revoke 1 directive of team that the files do not contain (zgone)?",
    ] {
        assert!(asked.stdout.contains(text), "{text}: {}", asked.stdout);
    }
}

#[tokio::test]
async fn sign_shows_all_that_it_would_sign() {
    let url = shared_url();
    let index = installed_index(&url, "signed").await;
    let ids: Vec<String> = (10..35).map(|n| format!("one{n}")).collect();
    let file = lines(ids.iter().cloned(), "acme");
    run_with(&url, &index, &words("apply -f -"), &file).ok();
    let folder = tempfile::tempdir().unwrap();
    let bob = folder.path().join("bob").display().to_string();
    run(&url, &index, &["keygen", &bob]).ok();
    let key = format!("{bob}.key");
    let mut args = vec!["sign", "--sign-with", &key];
    args.extend(ids.iter().map(String::as_str));
    let terminal = Terminal {
        url: &url,
        index: &index,
        columns: 120,
    };
    let asked = terminal.run(&args, "n");
    assert_eq!(asked.code, 2, "{}", asked.stdout);
    for id in &ids {
        let line = format!("would sign {id} ");
        assert!(asked.stdout.contains(&line), "{id}: {}", asked.stdout);
    }
}

/// Starts a proxy in front of a node. From the second time on that the proxy is asked for the
/// node's time, the node's clock seems to be an hour ahead.
async fn an_hour_passes(node: &str) -> String {
    let node = node.to_owned();
    let was_read = Arc::new(AtomicBool::new(false));
    let forward = async move |request: Request| -> Response {
        if request.uri().path().starts_with("/_nodes/") {
            let hours = i64::from(was_read.swap(true, Ordering::SeqCst));
            let time = SystemClock.now() + jiff::SignedDuration::from_hours(hours);
            let timestamp = time.as_millisecond();
            return axum::Json(json!({ "nodes": { "a": { "timestamp": timestamp } } }))
                .into_response();
        }
        pass(&node, request).await
    };
    serve(Router::new().fallback(forward)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directive_that_ends_before_the_reply_does_not_apply_again() {
    let node = shared_url();
    let index = installed_index(&node, "late").await;
    let go = |line: &str| run(&node, &index, &words(line)).ok();
    let folder = tempfile::tempdir().unwrap();
    for (number, typed) in ["extend one --by 3h", "edit one --set ttl=3h"]
        .into_iter()
        .enumerate()
    {
        run(&node, &index, &["delete", "one", "--yes"]);
        go("apply one --level Shape --tenant acme --ttl 30m");
        let before = go("get one -o json").stdout;
        let url = an_hour_passes(&node).await;
        let file = folder.path().join(format!("contexts{number}.yaml"));
        protected_context(&file, &url, &index);
        let terminal = Terminal {
            url: &url,
            index: &index,
            columns: 120,
        };
        let variables = [("DIRECTIVES_CONFIG", file.to_str().unwrap())];
        let ran = terminal.run_with(&variables, &words(typed), "y");
        assert_eq!(ran.code, 2, "{typed}: {}", ran.stdout);
        assert!(
            ran.stdout.contains("skipped one in "),
            "{typed}: {}",
            ran.stdout
        );
        assert_eq!(go("get one -o json").stdout, before, "{typed}");
    }
}
