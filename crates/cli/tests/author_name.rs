//! Tests which author a write records: the user with the process's user id, the user who called
//! sudo, or the user that the cluster authenticated.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use axum::extract::Request;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::support::command::{Ran, directives, run, run_with};
use crate::support::forwarding_proxy;
use crate::support::node::{installed_index, shared_url};

fn id(flags: &str) -> String {
    let output = Command::new("id").arg(flags).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Applies the directive `one` without the environment variable `DIRECTIVES_AUTHOR`, so that the
/// command must find the author's name itself.
fn apply(url: &str, index: &str, set: impl FnOnce(&mut Command)) -> Ran {
    let mut command = directives();
    command
        .args(["apply", "one", "--level", "Shape", "--tenant", "acme"])
        .args(["--yes", "--reason", "r"])
        .env_remove("DIRECTIVES_AUTHOR")
        .env_remove("SUDO_USER")
        .env("DIRECTIVES_URL", url)
        .env("DIRECTIVES_INDEX", index)
        .env("DIRECTIVES_REQUEST_TIMEOUT", "60s");
    set(&mut command);
    command.output().unwrap().into()
}

#[tokio::test]
async fn the_author_is_the_user_of_the_process_whatever_the_environment_or_a_file_says() {
    let url = shared_url();
    let index = installed_index(&url, "author").await;
    let author = || {
        run(&url, &index, &["get", "one", "-o", "json"]).ok().json()["updated_by"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let delete = || {
        run(&url, &index, &["delete", "one"]).ok();
    };
    apply(&url, &index, |command| {
        command.env("USER", "mallory").env("LOGNAME", "mallory");
    })
    .ok();
    assert_eq!(author(), id("-un"));
    delete();
    // The command must use `SUDO_USER` only if it runs as root, because another user could set this
    // variable to any name.
    apply(&url, &index, |command| {
        command.env("SUDO_USER", "alice");
    })
    .ok();
    let expected = if id("-u") == "0" {
        "alice".to_owned()
    } else {
        id("-un")
    };
    assert_eq!(author(), expected);
    delete();
    // `apply` must ignore the author's name in a file, although the output of `get` contains such
    // names.
    let file = r#"{"id":"one","state":"active","level":"Shape","tenant":"acme","ttl_secs":600,
        "updated_by":"eve","created_by":"eve"}"#;
    run_with(&url, &index, &["apply", "-f", "-", "--author", "bob"], file).ok();
    assert_eq!(author(), "bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_name_of_the_operating_system_the_cluster_names_the_author() {
    const NAMELESS: u32 = 54_321;
    if id("-u") != "0" {
        println!("skipped: only root can run a process with another user id");
        return;
    }
    let url = shared_url();
    let index = installed_index(&url, "nameless").await;
    // The test copies the binary of the command to a temporary folder, because a user without a
    // name may not be able to read the build folder.
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("directives");
    // If the test process wrote the copy of the binary itself, a process that another test starts
    // could inherit the open file. The system refuses to run a binary that any process has open for
    // writing, so the test lets `cp` write the copy.
    let copied = Command::new("cp")
        .arg(crate::support::command::BINARY)
        .arg(&binary)
        .status();
    assert!(copied.unwrap().success());
    let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    for path in [folder.path(), &binary] {
        std::fs::set_permissions(path, open.clone()).unwrap();
    }
    let as_nameless = |url: &str, args: &[&str]| -> Ran {
        let output = Command::new(&binary)
            .args(["apply", "one", "--level", "Shape", "--tenant", "acme"])
            .args(args)
            .env_clear()
            .env("USER", "mallory")
            .env("DIRECTIVES_URL", url)
            .env("DIRECTIVES_INDEX", &index)
            .uid(NAMELESS)
            .output();
        output.unwrap().into()
    };
    let refused = as_nameless(&url, &[]);
    assert_eq!(refused.code, 2, "{}{}", refused.stdout, refused.stderr);
    assert!(
        refused.stderr.contains("give --author NAME"),
        "{}",
        refused.stderr
    );
    let named = as_nameless(&url, &["--author", "ann", "--dry-run", "-o", "json"]);
    assert_eq!(named.code, 0, "{}", named.stderr);

    // The node of this test has no security plugin, so a proxy sends the response in which the
    // plugin would name the authenticated user.
    let node = url.clone();
    let authinfo = json!({ "user_name": "ops@corp", "roles": [], "backend_roles": [] });
    let router = Router::new()
        .route(
            "/_plugins/_security/authinfo",
            get(async move || Json(authinfo)),
        )
        .fallback(async move |request: Request| forwarding_proxy::pass(&node, request).await);
    let proxy = forwarding_proxy::serve(router).await;
    let ran = tokio::task::block_in_place(|| as_nameless(&proxy, &[])).ok();
    assert!(ran.stdout.starts_with("created one "), "{}", ran.stdout);
    let one = run(&url, &index, &["get", "one", "-o", "json"]).ok().json();
    for field in ["created_by", "updated_by", "authenticated_as"] {
        assert_eq!(one[field], "ops@corp", "{one}");
    }
}
