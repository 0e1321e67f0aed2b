//! Tests the dashboard of the fleet on a real node. The query of each panel must return the same
//! instances and numbers as `directives status`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::panels::{Condition, Panels, Row, counted, milliseconds};
use crate::support::command::run;
use crate::support::http;
use crate::support::in_hours;
use crate::support::instant;
use crate::support::node::{shared_url, unique_index};

/// Returns the names of the fleet's instances. The test adds the returned fields of an instance to
/// the fields that all reports have.
fn reports() -> Vec<(&'static str, Value)> {
    let rejections = json!([
        {"id": "z-first", "reason": "level: it is missing"},
        {"id": "a-second", "reason": "tenant: it is masked"},
    ]);
    let hits = |counts: &[(&str, u64)]| {
        let hit = |(id, count): &(&str, u64)| json!({"id": id, "count": count, "matched": count, "counted_since": in_hours(-3)});
        json!(counts.iter().map(hit).collect::<Vec<_>>())
    };
    vec![
        ("synced", json!({"hits": hits(&[("b", 2), ("a", 5)])})),
        (
            "second",
            json!({"hits": hits(&[("a", 1)]), "applied_seq_no": 7}),
        ),
        (
            "rejecting",
            json!({"rejected": 2, "rejections": rejections, "staleness": "stale"}),
        ),
        (
            "off",
            json!({"off": true, "staleness": "dark", "rejected": 1,
            "rejections": [rejections[1]]}),
        ),
        (
            "without-statistics",
            json!({"applied_seq_no": null, "hits": hits(&[("c-1", 3)])}),
        ),
        (
            "new",
            json!({"applied_seq_no": null, "max_seq_no": null, "index_uuid": null}),
        ),
        (
            "silent",
            json!({"reported_at": in_hours(-2), "rejected": 1,
            "rejections": [rejections[0]]}),
        ),
        (
            "slow",
            json!({"reported_at": in_hours(-2), "heartbeat_seconds": 7200.0}),
        ),
        (
            "gone",
            json!({"left": true, "rejected": 1, "rejections": [rejections[0]]}),
        ),
        (
            "long-gone",
            json!({"left": true, "reported_at": in_hours(-48)}),
        ),
    ]
}

/// Creates an index and writes the reports of its fleet. Returns the panels of the dashboard, and
/// the instances as `status -o json` shows them.
async fn seeded(name: &str) -> (Panels, Vec<Value>) {
    let (url, index) = (shared_url(), unique_index(name));
    run(&url, &index, &["init", "--fleet"]).ok();
    let mut body = String::new();
    for (number, (instance, fields)) in reports().into_iter().enumerate() {
        let mut report = json!({
            "instance": instance, "host": "h", "version": "0.1.0", "kind": "agent",
            "index": index, "index_uuid": "u-1", "applied_seq_no": 8, "documents": 1,
            "max_seq_no": 6, "sum_seq_no": 6, "digest": "d", "directives": 1, "revoked": 0,
            "off": false, "rejected": 0, "staleness": "fresh", "started": in_hours(-3),
            "last_success": in_hours(0), "reported_at": in_hours(0), "heartbeat_seconds": 600.0,
            "left": false,
        });
        for (name, value) in fields.as_object().unwrap() {
            report[name] = value.clone();
        }
        // The test gives each report a different time, because the test checks the order in which a
        // panel lists the instances.
        let at = instant(&report["reported_at"]);
        let earlier = jiff::SignedDuration::from_secs(i64::try_from(number).unwrap());
        report["reported_at"] = (at - earlier).to_string().into();
        let action = json!({"index": {"_id": instance}});
        body.push_str(&format!("{action}\n{report}\n"));
    }
    http::bulk(&format!("{url}/{index}-fleet"), body).await;
    let status = run(&url, &index, &["status", "--all", "-o", "json"]);
    let instances = status.ok().json()["instances"].as_array().unwrap().clone();
    assert_eq!(instances.len(), reports().len());
    (Panels::new(&url, &index), instances)
}

/// Returns the state of an instance as a panel can show it. A panel shows `live` for every instance
/// that is neither silent nor left, because a panel cannot compare an instance with the index.
fn presence(instance: &Value) -> &str {
    match instance["state"].as_str().unwrap() {
        state @ ("silent" | "left") => state,
        _ => "live",
    }
}

fn is_live(instance: &Value) -> bool {
    presence(instance) == "live"
}

fn has_not_left(instance: &Value) -> bool {
    presence(instance) != "left"
}

/// Returns the last operation that an instance has applied, in the words of the table that `status`
/// prints.
fn applied(instance: &Value) -> String {
    let numbers = [&instance["applied_seq_no"], &instance["max_seq_no"]];
    match numbers.iter().find_map(|number| number.as_u64()) {
        Some(number) => format!("operation {number}"),
        None => "none".to_owned(),
    }
}

fn rejected(instance: &Value) -> impl Iterator<Item = &Value> {
    instance["rejections"].as_array().into_iter().flatten()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_the_fleet_are_those_of_the_command() {
    let (panels, instances) = seeded("fleet-numbers").await;
    let counts: [(&str, Condition<'_>); 6] = [
        ("live", &is_live),
        ("silent", &|one| presence(one) == "silent"),
        ("rejecting", &|one| is_live(one) && one["rejected"] != 0),
        ("stale", &|one| is_live(one) && one["staleness"] != "fresh"),
        ("off", &|one| is_live(one) && one["off"] == true),
        ("left", &|one| presence(one) == "left"),
    ];
    for (panel, meets) in counts {
        let wanted = instances.iter().filter(|one| meets(one)).count() as u64;
        assert!(wanted > 0, "{panel}");
        let panel = format!("fleet-number-{panel}");
        assert_eq!(panels.number(&panel).await, wanted, "{panel}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_instances_are_grouped_by_operation_and_silence() {
    let (panels, instances) = seeded("fleet-groups").await;
    let key = |one: &Value| {
        let uuid = one["index_uuid"].as_str().unwrap_or("has read nothing");
        vec![uuid.to_owned(), applied(one), presence(one).to_owned()]
    };
    let wanted: Vec<Row> = counted(instances.iter().map(key))
        .into_iter()
        .map(|(keys, count)| {
            let times = instances.iter().filter(|one| key(one) == keys);
            let times = times.map(|one| milliseconds(&one["reported_at"]));
            let metrics = vec![times.fold(f64::MAX, f64::min)];
            Row {
                keys,
                count,
                metrics,
            }
        })
        .collect();
    assert_eq!(wanted.len(), 6, "{wanted:?}");
    assert_eq!(panels.rows("fleet-operations").await, wanted);

    let present = instances.iter().filter(|one| has_not_left(one));
    let wanted = counted(present.map(|one| key(one)[1..].to_vec()));
    let bars = panels.rows("fleet-bars").await;
    let bars: Vec<_> = bars.into_iter().map(|row| (row.keys, row.count)).collect();
    assert_eq!(bars, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_of_the_fleet_are_those_of_the_command() {
    let (panels, mut instances) = seeded("fleet-lists").await;
    instances.retain(has_not_left);
    instances.sort_by_key(|one| one["reported_at"].as_str().unwrap().to_owned());
    let rows = panels.list("fleet-list").await;
    assert_eq!(rows.len(), instances.len());
    for (row, instance) in rows.iter().zip(&instances) {
        assert_eq!(row["_id"], instance["instance"]);
        let column = |name: &str| &row["fields"][name][0];
        assert_eq!(column("presence"), presence(instance), "{instance}");
        assert_eq!(column("applied"), &json!(applied(instance)), "{instance}");
        assert_eq!(
            column("reported"),
            milliseconds(&instance["reported_at"]),
            "{instance}"
        );
        let mut condition = Vec::new();
        if instance["off"] == true {
            condition.push("off".to_owned());
        }
        if instance["staleness"] != "fresh" {
            condition.push(instance["staleness"].as_str().unwrap().to_owned());
        }
        if instance["rejected"] != 0 {
            condition.push(format!("rejects {}", instance["rejected"]));
        }
        let condition = match condition.join(", ") {
            good if good.is_empty() => "good".to_owned(),
            bad => bad,
        };
        assert_eq!(column("condition"), &json!(condition), "{instance}");
    }

    let reasons = |name: &str, lines: &Value| {
        let lines = lines.as_array().unwrap().iter();
        let line = |line: &Value| (name.to_owned(), line.as_str().unwrap().to_owned());
        lines.map(line).collect::<Vec<_>>()
    };
    let rows = panels.list("fleet-rejecting").await;
    let numbers: Vec<u64> = rows
        .iter()
        .map(|row| row["_source"]["rejected"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [2, 1, 1]);
    let mut shown: Vec<_> = rows
        .iter()
        .flat_map(|row| reasons(row["_id"].as_str().unwrap(), &row["fields"]["rejects"]))
        .collect();
    shown.sort();
    let mut wanted: Vec<(String, String)> = instances
        .iter()
        .flat_map(|one| {
            let name = one["instance"].as_str().unwrap().to_owned();
            rejected(one).map(move |rejection| {
                let [id, reason] = ["id", "reason"].map(|field| rejection[field].as_str().unwrap());
                (name.clone(), format!("{id}: {reason}"))
            })
        })
        .collect();
    wanted.sort();
    assert_eq!(shown, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_documents_and_hits_are_summed_over_the_reports() {
    let (panels, instances) = seeded("fleet-sums").await;
    let present: Vec<&Value> = instances.iter().filter(|one| has_not_left(one)).collect();
    let id = |of: &Value| of["id"].as_str().unwrap().to_owned();
    let documents = present.iter().copied().flat_map(rejected);
    let wanted = counted(documents.map(|rejection| vec![id(rejection)]));
    let rows = panels.rows("fleet-rejections").await;
    for row in &rows {
        let of = present
            .iter()
            .filter(|one| rejected(one).any(|rejection| id(rejection) == row.keys[0]));
        let latest = of
            .map(|one| milliseconds(&one["reported_at"]))
            .fold(0.0, f64::max);
        assert_eq!(row.metrics, [latest], "{row:?}");
    }
    let rows: Vec<_> = rows.into_iter().map(|row| (row.keys, row.count)).collect();
    assert_eq!(rows, wanted);
    assert_eq!(rows.len(), 2);

    let specification = panels.specification("fleet-hits");
    let url = &specification["data"]["url"];
    assert_eq!(url["index"], format!("{}-fleet", panels.index));
    // The test replaces the placeholders in the panel's request, as OpenSearch Dashboards does,
    // before it sends the request.
    let mut body = url["body"].clone();
    body["query"] = json!({"match_all": {}});
    let found = panels
        .search_index(url["index"].as_str().unwrap(), &body)
        .await;
    let rows = specification["transform"][0]["calculate"].as_str().unwrap();
    assert!(
        rows.starts_with("datum.aggregations ? datum.aggregations.hits.value"),
        "{rows}"
    );
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for hits in instances
        .iter()
        .filter_map(|one| one["hits"].as_array())
        .flatten()
    {
        *sums.entry(id(hits)).or_default() += hits["count"].as_u64().unwrap();
    }
    let mut wanted: Vec<Value> = sums
        .iter()
        .map(|(directive, hits)| json!({"directive": directive, "hits": hits}))
        .collect();
    wanted.sort_by_key(|row| std::cmp::Reverse(row["hits"].as_u64()));
    assert_eq!(found["aggregations"]["hits"]["value"], json!(wanted));
    assert_eq!(wanted.len(), 3);
}
