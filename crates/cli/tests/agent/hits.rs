//! Tests that an agent counts the matches of its directives, and that `/v1/hits`, the metrics and
//! `directives hits` show these counts.

use serde_json::{Value, json};

use super::{apply, evaluate_request};
use crate::support::agent::Agent;
use crate::support::command::{Ran, directives, run};
use crate::support::http;
use crate::support::node::{installed_index, shared_url};

/// Returns the counts of matches that the agent's `/v1/hits` reports for the directive `id`.
async fn counts(agent: &Agent, id: &str) -> Value {
    let (status, hits) = agent.get("/v1/hits").await;
    assert_eq!(status, 200, "{hits}");
    let directives = hits["directives"].as_array().unwrap();
    let found = directives.iter().find(|hits| hits["id"] == id);
    found.cloned().unwrap_or_default()
}

fn hits_command(agent: &Agent, args: &[&str]) -> Ran {
    let mut command = directives();
    command.args(["hits", "--agent", &agent.url("")]).args(args);
    command.output().unwrap().into()
}

#[tokio::test]
async fn each_evaluation_by_the_agent_counts_and_an_operators_question_does_not() {
    let url = shared_url();
    let index = installed_index(&url, "hits").await;
    for (id, tenant) in [("acme", "acme"), ("typo", "acmee")] {
        apply(&url, &index, id, &["--tenant", tenant, "--ttl", "1h"]);
    }
    let agent = Agent::start(&url, &index, &["--metrics-directives", "1"]);
    let request = evaluate_request("acme");
    agent.evaluate(&request).await;
    let batch = json!({"requests": [&request, &request, evaluate_request("other")]});
    let path = agent.url("/v1/evaluate/batch");
    assert_eq!(http::send("POST", &path, Some(&batch)).await.0, 200);
    let check = reqwest::Client::new().get(agent.url("/v1/ext_authz/"));
    let headers = [("directives-tenant", "acme"), ("x-request-id", "r")];
    let check = headers
        .into_iter()
        .fold(check, |check, (name, value)| check.header(name, value));
    assert_eq!(check.send().await.unwrap().status(), 200);
    // The agent must not count an evaluation with the parameter `uncounted`, which an operator's
    // `explain` also sends.
    let path = agent.url("/v1/evaluate?uncounted");
    let (status, decision) = http::send("POST", &path, Some(&request)).await;
    assert_eq!((status, &decision["directives"]), (200, &json!(["acme"])));
    let explain = "explain --tenant acme --index orders --principal svc --endpoint search --agent";
    let mut explain: Vec<&str> = explain.split(' ').collect();
    let address = agent.url("");
    explain.push(&address);
    Ran::from(directives().args(explain).output().unwrap()).ok();

    let acme = counts(&agent, "acme").await;
    assert_eq!((&acme["matched"], &acme["sampled"]), (&json!(4), &json!(4)));
    assert!(acme["last_matched"].is_string() && acme["counted_since"].is_string());
    let typo = counts(&agent, "typo").await;
    assert_eq!(
        (&typo["matched"], &typo["last_matched"]),
        (&json!(0), &Value::Null)
    );

    let metrics = agent.metrics().await;
    for line in [
        "directives_matched_total 4.0\n",
        "directives_sampled_total 4.0\n",
        "directives_unmatched 1.0\n",
        "directives_matched_by_directive_total{directive=\"acme\"} 4.0\n",
        "directives_without_series 1.0\n",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert!(!metrics.contains("typo"), "{metrics}");

    let shown = hits_command(&agent, &[]).ok().stdout;
    let line = |id: &str| {
        let found = shown.lines().find(|line| line.starts_with(id));
        found.unwrap_or_else(|| panic!("{shown}")).to_owned()
    };
    assert!(line("typo").contains("none in "), "{shown}");
    assert!(line("acme").contains(" 4 "), "{shown}");
    let missing = hits_command(&agent, &["acme", "absent", "-o", "json"]);
    assert_eq!(missing.json()[0]["matched"], 4);
    assert!(
        missing.stderr.contains("no such directive: absent"),
        "{}",
        missing.stderr
    );
    let unmatched = hits_command(&agent, &["--unmatched-for", "1h"]).ok();
    assert_eq!(
        unmatched.stdout, "no directives\n",
        "the agent is too young"
    );
    // `directives hits` must print no directive, because `--unmatched-for 1h` excludes a directive
    // that matched a request within the last hour.
    let named = hits_command(&agent, &["acme", "--unmatched-for", "1h"]).ok();
    assert_eq!(named.stdout, "no directives\n", "{}", named.stderr);

    run(&url, &index, &["revoke", "acme"]).ok();
    let (status, _) = http::send("POST", &agent.url("/v1/refresh"), None).await;
    assert_eq!(status, 200);
    let left = counts(&agent, "acme").await;
    assert_eq!(
        (&left["published"], &left["matched"]),
        (&json!(false), &json!(4))
    );
    assert!(hits_command(&agent, &["acme"]).ok().stdout.contains("left"));
}
