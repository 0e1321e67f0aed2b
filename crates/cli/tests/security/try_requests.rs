//! Sends direct requests to the cluster as a given user, and reports whether the cluster permits
//! them.

use serde_json::{Value, json};

use crate::secured_cluster::{PASSWORD, send_as};

/// Sends requests as a user, and returns `yes` if the cluster permitted all of them.
pub(crate) async fn all(user: &str, requests: &[(&str, &str, &str)]) -> &'static str {
    for (method, path, body) in requests {
        let body = if path.ends_with("_msearch") {
            Value::from(*body)
        } else {
            serde_json::from_str(body).unwrap()
        };
        let body = Some(&body).filter(|body| !body.is_null());
        let (status, response) = send_as((user, PASSWORD), method, path, body).await;
        match status {
            200 | 201 => assert_eq!(response.get("errors"), None, "{response:#}"),
            403 => return "no",
            _ => panic!("{method} {path} as {user}: {status} {response:#}"),
        }
    }
    "yes"
}

/// As a user, sends a bulk request with several actions, of which the cluster may refuse some and
/// permit others.
pub(crate) async fn bulk(user: &str, index: &str, lines: &str) -> &'static str {
    let path = format!("/{index}/_bulk");
    let body = Value::from(lines);
    let (status, response) = send_as((user, PASSWORD), "POST", &path, Some(&body)).await;
    if status == 403 {
        return "no";
    }
    assert_eq!(status, 200, "{response:#}");
    let item = response["items"][0]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap();
    if item["error"]["type"] == "security_exception" {
        return "no";
    }
    assert!(item["error"].is_null(), "{response:#}");
    "yes"
}

/// Sends the requests with which an instance writes its report to the fleet of an index.
pub(crate) async fn reports(user: &str, index: &str) -> &'static str {
    let fleet = format!("{index}-fleet");
    let fleet_history = format!("{index}-fleet-history");
    let mapping = format!("/{fleet}/_mapping");
    let search = format!("/{fleet}/_search");
    let stream = format!("/_data_stream/{fleet_history}");
    let requests = [
        ("GET", &*mapping, "null"),
        ("POST", &*search, "{}"),
        ("GET", &*stream, "null"),
    ];
    if all(user, &requests).await == "no" {
        return "no";
    }
    for lines in [
        "{\"index\":{\"_id\":\"x\"}}\n{\"instance\":\"x\"}\n",
        "{\"delete\":{\"_id\":\"x\"}}\n",
    ] {
        if bulk(user, &fleet, lines).await == "no" {
            return "no";
        }
    }
    let lines = "{\"create\":{}}\n{\"@timestamp\":\"2030-01-01T00:00:00Z\"}\n";
    bulk(user, &fleet_history, lines).await
}

/// Sends the point-in-time requests that `list` and an agent need to read several pages.
pub(crate) async fn point_in_time(user: &str, index: &str) -> &'static str {
    let login = (user, PASSWORD);
    let path = format!("/{index}/_search/point_in_time?keep_alive=1m");
    let (status, opened) = send_as(login, "POST", &path, None).await;
    if status == 403 {
        return "no";
    }
    let id = &opened["pit_id"];
    let search = json!({ "pit": { "id": id } });
    let close = json!({ "pit_id": [id] });
    let path = "/_search/point_in_time";
    let requests = [("POST", "/_search", search), ("DELETE", path, close)];
    for (method, path, body) in requests {
        let (status, response) = send_as(login, method, path, Some(&body)).await;
        match status {
            200 => {}
            403 => return "no",
            _ => panic!("{method} {path} as {user}: {status} {response:#}"),
        }
    }
    "yes"
}

/// Sends the requests that OpenSearch Dashboards sends to show the documents of an index.
pub(crate) async fn dashboards(user: &str, index: &str) -> &'static str {
    let msearch = format!("{{\"index\":\"{index}\"}}\n{{\"size\":0}}\n");
    let requests = [
        ("POST", "/_msearch".to_owned(), msearch),
        ("GET", format!("/_resolve/index/{index}"), "{}".to_owned()),
        (
            "GET",
            format!("/{index}/_field_caps?fields=*"),
            "{}".to_owned(),
        ),
        ("GET", format!("/{index}/_mapping"), "{}".to_owned()),
        ("GET", format!("/{index}/_mapping/field/*"), "{}".to_owned()),
    ];
    for (method, path, body) in &requests {
        let body = if path == "/_msearch" {
            Value::from(body.as_str())
        } else {
            Value::Null
        };
        let body = Some(&body).filter(|body| !body.is_null());
        let (status, response) = send_as((user, PASSWORD), method, path, body).await;
        let inner = &response["responses"][0]["error"]["type"];
        match status {
            200 if inner != "security_exception" => {}
            200 | 403 => return "no",
            _ => panic!("{method} {path} as {user}: {status} {response:#}"),
        }
    }
    "yes"
}

/// Sends requests that would delete records of the history if the user's role permitted them.
pub(crate) async fn deletes_records(user: &str, history: &str) -> &'static str {
    let query = r#"{"query":{"match_none":{}}}"#;
    let delete = format!("/{history}/_delete_by_query");
    let outcomes = [
        all(user, &[("POST", &delete, query)]).await,
        all(user, &[("DELETE", "/_data_stream/none-of-that-name", "{}")]).await,
    ];
    if outcomes.contains(&"yes") {
        "yes"
    } else {
        "no"
    }
}
