//! Tests that every verb that prints a report can print this report as JSON.

use serde_json::Value;

use crate::support::command::{Ran, directives, run_with, words};
use crate::support::node::{installed_index, shared_url};

const FILE: &str = r#"{"id":"one","level":"Shape","tenant":"acme","ttl_secs":3600}"#;

/// The verbs that print no report, because they print scripts or help pages, or run as services
/// until somebody stops them.
const WITHOUT_REPORT: [&str; 5] = ["agent", "record", "completion", "man", "help"];

#[tokio::test]
async fn every_verb_prints_its_report_as_json() {
    let url = shared_url();
    let index = installed_index(&url, "json").await;
    let folder = tempfile::tempdir().unwrap();
    let alice = folder.path().join("alice");
    let [alice, key, public] = ["", ".key", ".pub"].map(|end| format!("{}{end}", alice.display()));
    let agent = crate::support::agent::Agent::start(&url, &index, &[]);
    let address = agent.address().to_owned();
    let lines = [
        "init --dry-run".to_owned(),
        "init --history --fleet".to_owned(),
        "apply -f -".to_owned(),
        "list".to_owned(),
        "get one".to_owned(),
        "extend one --by 1m".to_owned(),
        "edit one --set ticket=INC-1".to_owned(),
        "diff -f -".to_owned(),
        "validate -f -".to_owned(),
        "explain --index orders --principal svc --endpoint Search".to_owned(),
        format!("keygen {alice}"),
        format!("sign one --sign-with {key} --yes"),
        format!("verify --trusted-keys {public}"),
        format!("hits --agent http://{address}"),
        format!("probe --agent {address}"),
        "status".to_owned(),
        "wait --converged --timeout 100ms".to_owned(),
        "revoke one".to_owned(),
        "delete one".to_owned(),
        "prune --ended-before 1d".to_owned(),
        "history one".to_owned(),
        "history verify".to_owned(),
        "doctor".to_owned(),
        format!("context set prod --url {url}"),
        "context use prod".to_owned(),
        "context list".to_owned(),
        "context show".to_owned(),
        "context delete prod".to_owned(),
    ];
    let config = folder.path().join("contexts.yaml");
    for line in &lines {
        let ran = if line.starts_with("context ") {
            let output = directives()
                .args(words(line))
                .args(["-o", "json"])
                .env("DIRECTIVES_CONFIG", &config)
                .output();
            Ran::from(output.unwrap())
        } else {
            run_with(&url, &index, &words(&format!("{line} -o json")), FILE)
        };
        let value: Result<Value, _> = serde_json::from_str(&ran.stdout);
        let is_report = value.is_ok_and(|value| value.is_object() || value.is_array());
        assert!(
            is_report,
            "{line}: {} {}{}",
            ran.code, ran.stdout, ran.stderr
        );
    }
    let help = Ran::from(directives().arg("-h").output().unwrap())
        .ok()
        .stdout;
    let commands = help.split("Commands:").nth(1).unwrap();
    let commands = commands.split("Options:").next().unwrap();
    for verb in commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
    {
        let verb = verb.split_whitespace().next().unwrap();
        let is_tested = lines
            .iter()
            .any(|line| line.split(' ').next() == Some(verb));
        assert!(is_tested || WITHOUT_REPORT.contains(&verb), "{verb}");
    }
}
