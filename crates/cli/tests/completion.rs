//! Tests shell completion. Some tests run the completion script in a real shell, and some request
//! the candidates as the completion scripts do.

use crate::support::command::{BINARY, directives, run};
use crate::support::node::{installed_index, shared_url};

#[tokio::test]
async fn ids_and_values_are_completed_for_the_cluster_on_the_line() {
    let url = shared_url();
    let index = installed_index(&url, "complete").await;
    for id in ["slow-acme", "slow-umbrella", "fast"] {
        run(
            &url,
            &index,
            &["apply", id, "--level", "Shape", "--tenant", "t"],
        )
        .ok();
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("contexts.yaml");
    let run = |args: &[&str]| {
        let output = directives()
            .args(args)
            .env("DIRECTIVES_CONFIG", &config)
            .output();
        output.unwrap()
    };
    let set = [
        "context",
        "set",
        "prod",
        "--url",
        &url,
        "--directives-index",
        &index,
    ];
    assert!(run(&set).status.success());
    let complete = |line: &str| -> Vec<String> {
        let words: Vec<&str> = line.split(' ').collect();
        let last = (words.len() - 1).to_string();
        let output = directives()
            .args([&["--"], &words[..]].concat())
            .env("DIRECTIVES_CONFIG", &config)
            .env("DIRECTIVES_COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", last)
            .env("_CLAP_IFS", "\n")
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|word| word.trim().to_owned()).collect()
    };
    for (line, expected) in [
        ("directives revoke slow", vec!["slow-acme", "slow-umbrella"]),
        ("directives --context prod get f", vec!["fast"]),
        ("directives get --context p", vec!["prod"]),
        ("directives context use p", vec!["prod"]),
        ("directives apply x --level ShapeT", vec!["ShapeTiming"]),
        (
            "directives explain --endpoint Ing",
            vec!["IngestDoc", "IngestBulk"],
        ),
        ("directives list --state sch", vec!["scheduled"]),
        ("directives edit x --unset ten", vec!["tenant"]),
        ("directives rev", vec!["revoke"]),
        // If the cluster is unreachable, the command must print neither candidates nor an error
        // message.
        ("directives get --url http://127.0.0.1:1 f", vec![]),
    ] {
        assert_eq!(complete(line), expected, "{line}");
    }
}

#[test]
fn the_script_works_in_bash() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(BINARY, folder.path().join("directives")).unwrap();
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    let script = r#"
        source <(directives completion bash)
        COMP_WORDS=(directives val) COMP_CWORD=1 COMP_TYPE=9
        COMP_LINE="directives val" COMP_POINT=14
        $(complete -p directives | sed 's/.*-F \([^ ]*\).*/\1/') directives val directives
        echo "${COMPREPLY[@]}"
    "#;
    let output = std::process::Command::new("bash")
        .args(["-c", script])
        .env("PATH", path)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "validate",
        "{output:?}"
    );
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let output = directives().args(["completion", shell]).output().unwrap();
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(script.contains("DIRECTIVES_COMPLETE"), "{shell}: {script}");
    }
}

/// This test runs the completion script in the shell fish, and is skipped if fish is not installed.
#[tokio::test]
async fn the_script_completes_ids_in_fish() {
    let url = shared_url();
    let index = installed_index(&url, "fish").await;
    let apply = ["apply", "slow-acme", "--level", "Shape", "--tenant", "t"];
    run(&url, &index, &apply).ok();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(BINARY, folder.path().join("directives")).unwrap();
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    let script = "directives completion fish | source; complete -C 'directives revoke slo'";
    let output = std::process::Command::new("fish")
        .args(["--no-config", "-c", script])
        .env("PATH", path)
        .env("HOME", folder.path())
        .env("DIRECTIVES_URL", &url)
        .env("DIRECTIVES_INDEX", &index)
        .output();
    let Ok(output) = output else {
        println!("skipped: fish is not installed");
        return;
    };
    let candidates = String::from_utf8_lossy(&output.stdout);
    assert_eq!(candidates.trim(), "slow-acme\tactive", "{output:?}");
}
