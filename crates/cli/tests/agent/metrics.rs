//! Tests that `/metrics` returns valid metrics both as `OpenMetrics` and in Prometheus's text
//! format.

use std::io::Write as _;
use std::process::{Command, Stdio};

use reqwest::header::{ACCEPT, CONTENT_TYPE};

use super::apply;
use crate::support::agent::Agent;
use crate::support::node::{installed_index, shared_url};

async fn scrape(agent: &Agent, accept: Option<&str>) -> (String, String) {
    let mut request = reqwest::Client::new().get(agent.url("/metrics"));
    if let Some(accept) = accept {
        request = request.header(ACCEPT, accept);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let content_type = response.headers()[CONTENT_TYPE]
        .to_str()
        .unwrap()
        .to_owned();
    (content_type, response.text().await.unwrap())
}

#[tokio::test]
async fn only_clients_that_accept_openmetrics_receive_it() {
    let url = shared_url();
    let index = installed_index(&url, "formats").await;
    let agent = Agent::start(&url, &index, &[]);
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3,*/*;q=0.2";
    let (content_type, text) = scrape(&agent, Some(prometheus)).await;
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("# TYPE directives_polls counter"), "{text}");
    for accept in [None, Some("*/*"), Some("text/plain")] {
        let (content_type, text) = scrape(&agent, accept).await;
        assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
        assert!(
            text.contains("# TYPE directives_polls_total counter"),
            "{text}"
        );
        assert!(!text.contains("# EOF"), "{text}");
    }
}

/// This test needs `promtool` (Debian's package `prometheus`) in `PATH` or in the variable
/// `PROMTOOL`. This test of the metrics is skipped if `promtool` is not installed. In CI,
/// `scripts/test-deploy` also checks the metrics with `promtool`.
#[tokio::test(flavor = "multi_thread")]
async fn promtool_accepts_the_metrics() {
    let promtool = std::env::var("PROMTOOL").unwrap_or_else(|_| "promtool".to_owned());
    if Command::new(&promtool).arg("--version").output().is_err() {
        eprintln!("promtool is not installed: skipped");
        return;
    }
    let url = shared_url();
    let index = installed_index(&url, "promtool").await;
    apply(&url, &index, "one", &["--ttl", "1h"]);
    let agent = Agent::start(&url, &index, &[]);
    let (_, text) = scrape(&agent, None).await;
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    check
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let checked = check.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert!(checked.status.success() && printed.is_empty(), "{printed}");
}
