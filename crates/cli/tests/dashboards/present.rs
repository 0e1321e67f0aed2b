//! Tests the dashboard of the present directives on a real node. The query of each panel must
//! return the same directives and numbers as `directives list`.

use serde_json::{Value, json};

use super::panels::{Panels, counted, counts_of};
use crate::support::command::run;
use crate::support::http::bulk;
use crate::support::instant;
use crate::support::node::{installed_index, shared_url};
use crate::support::{in_hours, stored};

/// Returns valid documents of directives in every state, and with every risk that the dashboard
/// shows.
fn documents() -> Vec<(&'static str, Value)> {
    let expires_at = |hours: i64| in_hours(hours);
    let explained = |mut document: Value| {
        document["reason"] = "slow".into();
        document["ticket"] = "OPS-1".into();
        document
    };
    vec![
        (
            "now",
            json!({"expires_at": expires_at(100), "tenant": "acme", "updated_by": "ann"}),
        ),
        (
            "started",
            explained(json!({
                "starts_at": in_hours(-1), "expires_at": expires_at(99), "index": "orders",
                "endpoint": "Search", "sample_per_mille": 100, "updated_by": "bob",
            })),
        ),
        (
            "soon",
            explained(json!({"expires_at": expires_at(2), "tenant": "umbrella"})),
        ),
        (
            "capture",
            explained(json!({
                "expires_at": expires_at(1), "tenant": "globex", "capture": true,
                "ring_buffer": true, "updated_by": "ann",
            })),
        ),
        (
            "everything",
            explained(json!({"expires_at": expires_at(200), "updated_by": "dave"})),
        ),
        (
            "scheduled",
            json!({"starts_at": in_hours(1), "expires_at": expires_at(3), "capture": true}),
        ),
        (
            "expired",
            json!({"expires_at": expires_at(-2), "updated_by": "ann"}),
        ),
        (
            "revoked",
            json!({"expires_at": expires_at(2), "revoked_at": in_hours(-1), "updated_by": "eve"}),
        ),
        (
            "revoked-long-ago",
            json!({"expires_at": expires_at(2), "revoked_at": in_hours(-24 * 8)}),
        ),
    ]
}

/// Creates an index with the documents of this test, and returns the panels for this index.
async fn seeded(name: &str) -> Panels {
    let url = shared_url();
    let index = installed_index(&url, name).await;
    let mut body = String::new();
    for (id, fields) in documents() {
        let mut document = stored(fields);
        document["level"] = "Shape".into();
        document["updated_at"] = in_hours(-1).into();
        // The test writes the documents without the ingest pipeline, because the pipeline would
        // refuse a document with an expiry in the past.
        let action = json!({"index": {"_index": index, "_id": id, "pipeline": "_none"}});
        body.push_str(&format!("{action}\n{document}\n"));
    }
    bulk(&url, body).await;
    Panels::new(&url, &index)
}

fn ids(hits: &[Value]) -> Vec<String> {
    hits.iter()
        .map(|hit| hit["_id"].as_str().unwrap().to_owned())
        .collect()
}

/// Returns the ids of the directives in the output of `directives list` that meet the condition
/// `meets`, in ascending order of the field `order`.
fn listed(panels: &Panels, order: &str, meets: impl Fn(&Value) -> bool) -> Vec<String> {
    let all = run(&panels.url, &panels.index, &["list", "-o", "json"])
        .ok()
        .json();
    let mut all: Vec<Value> = all.as_array().unwrap().clone();
    all.retain(|directive| meets(directive));
    all.sort_by_key(|directive| directive[order].as_str().unwrap_or_default().to_owned());
    all.iter()
        .map(|directive| directive["id"].as_str().unwrap().to_owned())
        .collect()
}

fn is_active(directive: &Value) -> bool {
    directive["state"] == "active"
}

fn is_everything(directive: &Value) -> bool {
    directive["targets"] == json!([])
}

fn is_unexplained(directive: &Value) -> bool {
    directive.get("reason").is_none() || directive.get("ticket").is_none()
}

fn ends_within(directive: &Value, hours: i64) -> bool {
    directive["expires_at"].as_str().unwrap() < in_hours(hours).as_str()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_the_lists_are_those_of_the_command() {
    let panels = seeded("rows").await;
    let scheduled = |directive: &Value| directive["state"] == "scheduled";
    let risk = |directive: &Value| {
        is_active(directive)
            && (directive["capture"] == true
                || is_everything(directive)
                || is_unexplained(directive)
                || !ends_within(directive, 24 * 7))
    };
    for (panel, order, descending, wanted) in [
        (
            "active",
            "expires_at",
            false,
            listed(&panels, "expires_at", is_active),
        ),
        (
            "risks",
            "expires_at",
            true,
            listed(&panels, "expires_at", risk),
        ),
        (
            "scheduled-list",
            "starts_at",
            false,
            listed(&panels, "starts_at", scheduled),
        ),
    ] {
        let sort = &panels.attributes(panel)["sort"][0];
        assert_eq!(sort[0], order, "{panel}");
        let mut rows = ids(&panels.list(panel).await);
        assert_eq!(sort[1] == "desc", descending, "{panel}");
        if descending {
            rows.reverse();
        }
        assert!(!rows.is_empty(), "{panel}");
        assert_eq!(rows, wanted, "{panel}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_are_those_of_the_command() {
    let panels = seeded("numbers").await;
    let active_and = |meets: &dyn Fn(&Value) -> bool| {
        listed(&panels, "id", |directive| {
            is_active(directive) && meets(directive)
        })
        .len()
    };
    let state = |name: &str| listed(&panels, "id", |it| it["state"] == name).len();
    for (panel, wanted) in [
        ("documents", documents().len()),
        ("active", active_and(&|_| true)),
        (
            "ends-in-1h",
            active_and(&|directive| ends_within(directive, 1)),
        ),
        (
            "ends-in-24h",
            active_and(&|directive| ends_within(directive, 24)),
        ),
        ("scheduled", state("scheduled")),
        ("revoked", state("revoked") - 1),
        (
            "capture",
            active_and(&|directive| directive["capture"] == true),
        ),
        ("every-request", active_and(&is_everything)),
        ("unexplained", active_and(&is_unexplained)),
        (
            "a-week",
            active_and(&|directive| !ends_within(directive, 24 * 7)),
        ),
    ] {
        let panel = format!("number-{panel}");
        assert!(wanted > 0, "{panel}");
        assert_eq!(panels.number(&panel).await, wanted as u64, "{panel}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripted_columns_say_what_the_command_says() {
    let panels = seeded("scripted").await;
    let scripts = panels.script_fields("active");
    let body = json!({"size": 100, "script_fields": scripts, "_source": true});
    let response = panels.search("active", &body).await;
    let all = run(&panels.url, &panels.index, &["list", "-o", "json"]);
    let all = all.ok().json();
    for hit in response["hits"]["hits"].as_array().unwrap() {
        let directives = all.as_array().unwrap();
        let directive = directives.iter().find(|it| it["id"] == hit["_id"]).unwrap();
        let column = |name: &str| &hit["fields"][name][0];
        assert_eq!(column("state"), &directive["state"], "{directive}");
        for (copy, of) in [("ends", "expires_at"), ("begins", "starts_at")] {
            let time = instant(&directive[of]).as_millisecond();
            assert_eq!(column(copy), time, "{directive}");
        }
    }
    let column = |id: &str, name: &str| {
        let hits = response["hits"]["hits"].as_array().unwrap();
        let hit = hits.iter().find(|hit| hit["_id"] == id).unwrap();
        hit["fields"][name][0].as_str().unwrap().to_owned()
    };
    assert_eq!(column("everything", "matches"), "every request");
    assert_eq!(column("started", "matches"), "index=orders endpoint=Search");
    assert_eq!(column("started", "records"), "100 ‰");
    assert_eq!(column("capture", "records"), "CAPTURE, ring buffer, all");

    // If the reader's role hides the field of a target, the panel must not show that the directive
    // matches every request.
    let mut hidden = stored(json!({"expires_at": in_hours(1), "tenant": "acme"}));
    hidden.as_object_mut().unwrap().remove("tenant");
    let action = json!({"index": {"_index": panels.index, "_id": "hidden", "pipeline": "_none"}});
    bulk(&panels.url, format!("{action}\n{hidden}\n")).await;
    let body = json!({"query": {"ids": {"values": ["hidden"]}}, "script_fields": scripts});
    let response = panels.search("active", &body).await;
    assert_eq!(
        response["hits"]["hits"][0]["fields"]["matches"][0],
        "tenant=(hidden)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_line_and_the_bars_read_every_directive_of_their_time() {
    let panels = seeded("timeline").await;
    let specification = panels.specification("timeline");
    let source = &specification["data"]["url"];
    assert_eq!(source["index"], *panels.index);
    // The test replaces the placeholders in the panel's request, as OpenSearch Dashboards does,
    // before it sends the request.
    let mut body = source["body"].clone();
    let clauses = &mut body["query"]["bool"];
    clauses["must"][0] = json!({"match_all": {}});
    clauses["must"][1]["range"]["expires_at"]["gte"] = json!(0);
    clauses["filter"] = json!([]);
    clauses["must_not"] = json!([]);
    let found = panels.search_index(&panels.index, &body).await;
    let found = found["hits"]["hits"].as_array().unwrap();
    assert_eq!(found.len(), documents().len());

    let rows = panels.rows("changes-by-author").await;
    let authors: Vec<(String, u64)> = counts_of(&rows)
        .into_iter()
        .map(|(keys, count)| (keys[1].clone(), count))
        .collect();
    let wanted = [
        ("ann", 3),
        ("bob", 1),
        ("dave", 1),
        ("eve", 1),
        ("not named", 3),
    ];
    assert_eq!(authors, wanted.map(|(who, count)| (who.to_owned(), count)));

    let all = run(&panels.url, &panels.index, &["list", "-o", "json"]);
    let all = all.ok().json();
    let active = all.as_array().unwrap().iter().filter(|one| is_active(one));
    let wanted = counted(active.map(|one| {
        let level = one["level"].as_str().unwrap().to_owned();
        vec![
            level,
            one["tenant"].as_str().unwrap_or("every tenant").to_owned(),
        ]
    }));
    assert_eq!(counts_of(&panels.rows("tenants-by-level").await), wanted);
}
