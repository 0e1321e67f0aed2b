//! Tests on a real node that `directives hits --fleet` adds up the counts of matches that the
//! agents report.

use serde_json::{Value, json};

use crate::fleet::reporting;
use crate::support::command::run;
use crate::support::eventually::eventually;
use crate::support::node::{shared_url, unique_index};

#[tokio::test]
async fn the_counts_of_all_agents_show_a_directive_that_matches_nothing() {
    let (url, index) = (shared_url(), unique_index("fleet-hits"));
    run(&url, &index, &["init", "--fleet"]).ok();
    for (id, tenant) in [("acme", "acme"), ("typo", "acmee")] {
        let apply = ["apply", id, "--level", "Shape", "--tenant", tenant];
        run(&url, &index, &[&apply[..], &["--ttl", "1h"]].concat()).ok();
    }
    let agents = ["one", "other"].map(|name| reporting(&url, &index, name, "1s"));
    let request = json!({"tenant": "acme", "index": "orders", "principal": "svc",
        "endpoint": "Search", "request_id": "r"});
    for (agent, requests) in agents.iter().zip([1, 2]) {
        for _ in 0..requests {
            agent.evaluate(&request).await;
        }
    }
    let hits = |args: &[&str]| run(&url, &index, &[&["hits", "--fleet"], args].concat());
    let rows = eventually(
        "both agents have reported their counts",
        async || hits(&["-o", "json"]).ok().json(),
        |rows| rows[0]["matched"] == 3 && rows[1]["instances"] == 2,
    )
    .await;
    assert_eq!(
        (&rows[0]["id"], &rows[0]["sampled"]),
        (&json!("acme"), &json!(3))
    );
    assert!(rows[0]["last_matched"].is_string(), "{rows}");
    assert_eq!(
        (&rows[1]["id"], &rows[1]["matched"]),
        (&json!("typo"), &json!(0))
    );
    assert_eq!(rows[1]["last_matched"], Value::Null);

    let shown = hits(&["typo", "absent"]);
    assert_eq!(shown.code, 3);
    assert!(
        shown.stdout.contains("none in ") && !shown.stdout.contains("acme"),
        "{}",
        shown.stdout
    );
    for line in [
        "counts of 2 live instances, ",
        "no live instance reports this directive: absent",
    ] {
        assert!(shown.stderr.contains(line), "{}", shown.stderr);
    }
    let unmatched = hits(&["--unmatched-for", "1h"]).ok();
    assert_eq!(
        unmatched.stdout, "no directives\n",
        "the agents are too young"
    );
}
