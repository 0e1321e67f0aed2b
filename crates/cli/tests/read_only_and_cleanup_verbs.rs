//! Tests the verbs that inspect, check and clean up: diff, validate, explain, doctor, prune,
//! context and completion.

use std::process::Output;

use serde_json::json;

use crate::support::command::{directives, run, run_with};
use crate::support::node::{installed_index, shared_url, unique_index};
use crate::support::{http, in_hours};

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[tokio::test]
async fn diff_shows_what_apply_would_change_and_ends_with_7() {
    let url = shared_url();
    let index = installed_index(&url, "diff").await;
    let file = r#"{"id":"one","level":"Shape","tenant":"acme","ttl_secs":3600}"#;
    let diff = |input: &str| run_with(&url, &index, &["diff", "-f", "-"], input);
    let new = diff(file);
    assert_eq!(new.code, 7, "{}", new.stderr);
    assert!(
        new.stdout.contains("would be created one"),
        "{}",
        new.stdout
    );
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
    assert_eq!(validate(good).ok().stdout, "1 of 1 directives are valid\n");
    for (input, expected) in [
        (good.replace("Shape", "Loud"), "level"),
        (good.replace("3600", "99999999"), "exceeds the maximum"),
        (good.replace(r#""tenant":"acme","#, ""), "no target"),
    ] {
        let ran = validate(&input);
        assert_eq!(ran.code, 2, "{input}");
        assert!(ran.stderr.contains(expected), "{input}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn explain_names_the_first_condition_that_fails_near_misses_first() {
    let url = shared_url();
    let index = installed_index(&url, "explain").await;
    for text in [
        "hit --level Shape --tenant acme --ring-buffer",
        "far --level ShapeTiming --tenant umbrella --index logs",
        "none --level ShapeTiming --tenant acme --sample 0%",
        "later --level ShapeTiming --tenant acme --starts-at +1h",
        "ended --level ShapeTiming --tenant acme",
    ] {
        run(&url, &index, &[vec!["apply"], words(text)].concat()).ok();
    }
    let spaced = [
        "apply",
        "near",
        "--level",
        "ShapeTiming",
        "--tenant",
        "acme ",
        "--literal",
    ];
    run(&url, &index, &spaced).ok();
    run(&url, &index, &["revoke", "ended"]).ok();
    let request = "explain --tenant acme --index orders --principal svc --endpoint search";
    let printed = run(&url, &index, &words(request)).ok().stdout;
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "decision: Shape, ring-buffer", "{printed}");
    assert!(
        lines[1].starts_with("  hit applies: Shape, tenant=acme"),
        "{printed}"
    );
    for expected in [
        r#"near does not apply: tenant: "acme " ≠ "acme""#,
        r#"far does not apply: tenant: "umbrella" ≠ "acme""#,
        "none does not apply: the request is not in its sample of 0 ‰",
        "later does not apply: it starts ",
        "ended does not apply: it is revoked",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    let order = |id: &str| printed.find(&format!("  {id} ")).unwrap();
    assert!(order("near") < order("far"), "{printed}");
}

#[tokio::test]
async fn doctor_reports_each_part_and_fails_where_something_is_missing() {
    let url = shared_url();
    let index = installed_index(&url, "doctor").await;
    http::put(
        &format!("{url}/{index}/_doc/bad?pipeline=_none&refresh=true"),
        &json!({"level": "Shape", "tenant": 42, "expires_at": in_hours(1)}),
    )
    .await;
    let well = run(&url, &index, &["doctor"]).ok().stdout;
    for line in [
        "ok      cluster: ",
        "ok      installation: the index is up to date",
        "ok      clock: ",
        "warning documents: 1 malformed, such as bad; remedy: directives list",
    ] {
        assert!(well.contains(line), "{line}: {well}");
    }
    let missing = run(&url, &unique_index("nodoctor"), &["doctor", "-o", "json"]);
    assert_eq!(missing.code, 1);
    let checks = missing.json()["checks"].take();
    assert!(
        checks
            .as_array()
            .unwrap()
            .iter()
            .any(|check| { check["health"] == "failure" && check["fix"] == "directives init" }),
        "{checks}"
    );
    let nowhere = run("http://127.0.0.1:1", &index, &["doctor"]);
    assert_eq!(nowhere.code, 1);
    assert!(
        nowhere.stdout.starts_with("failure cluster: "),
        "{}",
        nowhere.stdout
    );
}

#[tokio::test]
async fn prune_deletes_only_directives_that_ended_long_ago() {
    let url = shared_url();
    let index = installed_index(&url, "prune").await;
    let old = |tenant: &str, hours: i64| {
        json!({"targets": ["tenant"], "tenant": tenant, "level": "Shape", "sample_per_mille": 1000,
               "starts_at": in_hours(hours - 1), "expires_at": in_hours(hours), "revoked": false})
    };
    for (id, hours) in [("long-ago", -30 * 24), ("yesterday", -24)] {
        let mut document = old(id, hours);
        // These documents omit the fields that the mapping does not contain.
        let mapping: serde_json::Value = reqwest::get(format!("{url}/{index}/_mapping"))
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let known = mapping[&index]["mappings"]["properties"]
            .as_object()
            .unwrap()
            .clone();
        document
            .as_object_mut()
            .unwrap()
            .retain(|field, _| known.contains_key(field));
        let path = format!("{url}/{index}/_doc/{id}?pipeline=_none&refresh=true");
        http::put(&path, &document).await;
    }
    run(
        &url,
        &index,
        &words("apply now --level Shape --tenant acme"),
    )
    .ok();
    let prune = |args: &str| {
        run(
            &url,
            &index,
            &words(&format!("prune --ended-before {args}")),
        )
    };
    assert_eq!(prune("7d").code, 2, "a script must give --yes");
    assert!(
        prune("7d --dry-run")
            .ok()
            .stdout
            .contains("would be deleted long-ago")
    );
    assert!(prune("7d --yes").ok().stdout.contains("deleted long-ago"));
    assert_eq!(
        run(&url, &index, &["list", "-o", "name"]).ok().stdout,
        "now\nyesterday\n"
    );
}

/// Runs the command with a file of contexts and without the usual variables.
fn with_contexts(file: &std::path::Path, text: &str) -> Output {
    directives()
        .args(words(text))
        .env("DIRECTIVES_CONFIG", file)
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_context_names_a_cluster_and_a_protected_one_asks() {
    let url = shared_url();
    let index = installed_index(&url, "context").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contexts.yaml");
    let go = |text: &str| {
        let output = with_contexts(&file, text);
        let printed = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.code().unwrap(), printed)
    };
    assert_eq!(go("context show").0, 2);
    let set = format!("context set prod --url {url} --directives-index {index}");
    assert_eq!(go(&set).0, 0);
    assert_eq!(
        go("context set far --url http://127.0.0.1:1 --protected").0,
        0
    );
    let (_, list) = go("context list");
    assert!(
        list.contains("* prod ") && list.contains("  far http://127.0.0.1:1/ protected"),
        "{list}"
    );
    let (code, printed) = go("apply one --level Shape --tenant acme");
    assert_eq!(code, 0, "{printed}");
    assert!(
        printed.contains(&format!("{index} at {url} (context prod)")),
        "{printed}"
    );
    // A flag overrides the value of the context.
    assert_eq!(go("get one --url http://127.0.0.1:1").0, 4);
    assert_eq!(go("get one --context far").0, 4);
    let (code, printed) = go("get one --context nosuch");
    assert_eq!(code, 2);
    assert!(
        printed.contains("there is no context nosuch; there are far, prod"),
        "{printed}"
    );
    go(&format!("{set} --protected"));
    let (code, printed) = go("revoke one");
    assert_eq!(code, 2, "{printed}");
    assert!(
        printed.contains("The context prod is protected"),
        "{printed}"
    );
    assert_eq!(go("revoke one --yes").0, 0);
    let secret = go("context set bad --url http://u:hunter2@127.0.0.1:1");
    assert_eq!(secret.0, 2);
    assert!(!secret.1.contains("hunter2"), "{}", secret.1);
}

#[test]
fn manual_pages_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let ran = directives().arg("man").arg(folder.path()).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    for page in [
        "directives.1",
        "directives-apply.1",
        "directives-context-set.1",
    ] {
        assert!(folder.path().join(page).exists(), "{page}");
    }
}

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
