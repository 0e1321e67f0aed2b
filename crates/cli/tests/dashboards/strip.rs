//! Tests the row of the dashboards that shows whether each index exists. The dashboards need this
//! row, because every other panel shows the same number for a missing index as for an empty one.

use serde_json::{Value, json};

use super::panels::Panels;
use crate::support::command::run;
use crate::support::http;
use crate::support::node::{installed_index, shared_url};

/// Returns the responses to the row's three searches, which are in the indices of the directives,
/// of the history and of the fleet.
async fn responses(panels: &Panels) -> Vec<(String, Value)> {
    let specification = panels.specification("strip");
    let mut responses = Vec::new();
    for column in specification["layer"].as_array().unwrap() {
        let data = &column["data"];
        let index = data["url"]["index"].as_str().unwrap();
        let response = panels.search_index(index, &data["url"]["body"]).await;
        // OpenSearch Dashboards uses the name of a search to assign a response to this search.
        responses.push((data["name"].as_str().unwrap().to_owned(), response));
    }
    responses
}

fn shards(responses: &[(String, Value)]) -> Vec<(&str, u64)> {
    let shards = |response: &Value| response["_shards"]["total"].as_u64().unwrap();
    responses
        .iter()
        .map(|(name, response)| (name.as_str(), shards(response)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_index_is_distinguished_from_an_empty_one() {
    let url = shared_url();
    let index = installed_index(&url, "strip").await;
    let panels = Panels::new(&url, &index);
    let missing = responses(&panels).await;
    assert_eq!(
        shards(&missing),
        [("directives", 1), ("history", 0), ("fleet", 0)]
    );
    run(&url, &index, &["init", "--history", "--fleet"]).ok();
    let empty = responses(&panels).await;
    assert_eq!(
        shards(&empty),
        [("directives", 1), ("history", 1), ("fleet", 1)]
    );
    for (name, response) in &empty {
        assert_eq!(response["hits"]["total"]["value"], 0, "{name}");
    }
    // A panel that shows a number must show zero for an empty index, as for a missing index.
    for panel in ["history-number-operations", "fleet-number-live"] {
        assert_eq!(panels.number(panel).await, 0, "{panel}");
    }
    let delete = format!("{url}/{index}");
    assert_eq!(http::send("DELETE", &delete, None).await.0, 200);
    assert_eq!(shards(&responses(&panels).await)[0], ("directives", 0));
    assert_eq!(panels.number("number-documents").await, 0);

    // Each text in the row must depend only on the number of shards of an index, so that no filter
    // of the dashboard changes the row.
    let specification = panels.specification("strip");
    for column in specification["layer"].as_array().unwrap() {
        let text = column["transform"][0]["calculate"].as_str().unwrap();
        assert!(
            text.contains("datum._shards.total == 0 ? 'THERE IS NO INDEX'"),
            "{text}"
        );
        assert_eq!(column["data"]["url"]["body"].get("query"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_row_counts_live_silent_and_rejecting_instances() {
    let url = shared_url();
    let index = installed_index(&url, "strip-fleet").await;
    run(&url, &index, &["init", "--fleet"]).ok();
    let hours = crate::support::in_hours;
    let mut body = String::new();
    for (instance, reported_at, rejected, left) in [
        ("a", hours(0), 0, false),
        ("b", hours(0), 2, false),
        ("c", hours(-1), 2, false),
        ("d", hours(0), 0, true),
        ("e", hours(-1), 0, true),
    ] {
        let report = json!({
            "instance": instance, "version": "0.1.0", "kind": "agent", "index": index,
            "documents": 0, "sum_seq_no": 0, "digest": "d", "directives": 0, "revoked": 0,
            "off": false, "rejected": rejected, "staleness": "fresh", "started": hours(-2),
            "reported_at": reported_at, "heartbeat_seconds": 300.0, "left": left,
        });
        body.push_str(&format!(
            "{}\n{report}\n",
            json!({"index": {"_id": instance}})
        ));
    }
    http::bulk(&format!("{url}/{index}-fleet"), body).await;
    let found = responses(&Panels::new(&url, &index)).await;
    let counts = &found[2].1["aggregations"];
    let count = |name: &str| counts[name]["doc_count"].as_u64().unwrap();
    let counted = ["live", "silent", "rejecting"].map(count);
    let told = run(&url, &index, &["status", "-o", "json"]).ok().json();
    let states = |states: &[&str]| -> u64 {
        let instances = told["instances"].as_array().unwrap().iter();
        instances
            .filter(|one| states.contains(&one["state"].as_str().unwrap()))
            .count() as u64
    };
    let live = states(&["synced", "behind", "rejecting"]);
    assert_eq!(counted, [live, states(&["silent"]), 1]);
    assert_eq!(counted, [2, 1, 1]);
}
