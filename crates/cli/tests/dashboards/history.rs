//! Tests the dashboard of the history on a real node. The query of each panel must return the same
//! records and numbers as `directives history`.

use serde_json::{Value, json};

use super::panels::{Condition, Panels, Row, counted, counts_of, milliseconds};
use crate::support::command::run;
use crate::support::http;
use crate::support::node::{shared_url, unique_index};
use crate::support::{in_hours, stored};

/// Returns the records of this test's history, each with only the fields in which it differs from
/// the others. The field `document` contains the directive's document after the recorded operation.
fn records() -> Vec<Value> {
    let document = |fields: Value| {
        let mut document = stored(fields);
        document["level"] = "Shape".into();
        document
    };
    let acme = document(json!({"tenant": "acme", "expires_at": in_hours(1)}));
    let everything = document(json!({"expires_at": in_hours(1)}));
    let capture = document(json!({"tenant": "globex", "capture": true, "expires_at": in_hours(1)}));
    let mut hidden = acme.clone();
    hidden.as_object_mut().unwrap().remove("tenant");
    vec![
        json!({"kind": "created", "document": acme, "by": "alice", "authenticated_by": "alice",
            "reason": "slow", "ticket": "INC-1"}),
        json!({"kind": "widened", "document": everything, "by": "alice",
            "authenticated_by": "mallory", "reason": "slow", "ticket": "INC-1"}),
        json!({"kind": "created", "document": capture, "by": "bob-2", "reason": "corrupt"}),
        json!({"kind": "extended", "document": capture, "by": "bob-2", "ticket": "INC-2"}),
        json!({"kind": "revoked", "document": acme, "by": "carol", "reason": "done"}),
        json!({"kind": "rejected", "document": hidden, "by": "unknown", "authenticated_by": "eve",
            "reason": "tenant: it is missing"}),
        json!({"kind": "replaced", "by": "carol", "reason": "not known"}),
        json!({"kind": "replaced", "document": acme, "by": "carol", "reason": "slow"}),
        json!({"kind": "deleted", "authenticated_by": "eve"}),
        json!({"kind": "deleted", "by": "dave", "reason": "closed"}),
    ]
}

/// Creates a history and writes the records of this test. Returns the panels of the dashboard, and
/// the output of `directives history`.
async fn seeded(name: &str) -> (Panels, Vec<Value>) {
    let (url, index) = (shared_url(), unique_index(name));
    run(&url, &index, &["init", "--history"]).ok();
    let mut body = String::new();
    for (number, mut record) in records().into_iter().enumerate() {
        record["@timestamp"] = in_hours(-30 + 3 * i64::try_from(number).unwrap()).into();
        record["directive"] = format!("d-{}", number % 4).into();
        for name in ["index_uuid", "history_uuid", "recorded_by"] {
            record[name] = "test".into();
        }
        record["recorded_at"] = in_hours(0).into();
        for name in ["primary_term", "seq_no"] {
            record[name] = number.into();
        }
        let action = json!({"create": {"_id": number.to_string()}});
        body.push_str(&format!("{action}\n{record}\n"));
    }
    http::bulk(&format!("{url}/{index}-history"), body).await;
    let told = run(&url, &index, &["history", "-o", "json"]).ok().json();
    (Panels::new(&url, &index), told.as_array().unwrap().clone())
}

fn text<'a>(record: &'a Value, field: &str) -> Option<&'a str> {
    record[field].as_str()
}

fn is_start(record: &Value) -> bool {
    let starts = ["created", "replaced", "widened", "reactivated"];
    starts.contains(&text(record, "kind").unwrap())
}

fn is_everything(record: &Value) -> bool {
    record["document"]["targets"] == json!([])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_the_history_are_those_of_the_command() {
    let (panels, told) = seeded("history-numbers").await;
    let kind = |record: &Value, kinds: &[&str]| kinds.contains(&text(record, "kind").unwrap());
    let is_capture = |record: &Value| record["document"]["capture"] == true;
    let counts: [(&str, Condition<'_>); 9] = [
        ("operations", &|_| true),
        ("created", &|record| kind(record, &["created"])),
        ("ended", &|record| kind(record, &["revoked", "deleted"])),
        ("widened", &|record| kind(record, &["widened"])),
        ("captures", &|record| is_start(record) && is_capture(record)),
        ("every-request", &|record| {
            is_start(record) && is_everything(record)
        }),
        ("unexplained", &|record| record.get("reason").is_none()),
        ("rejected", &|record| kind(record, &["rejected"])),
        ("contradicted", &|record| {
            record.get("contradictions").is_some()
        }),
    ];
    for (panel, meets) in counts {
        let wanted = told.iter().filter(|record| meets(record)).count() as u64;
        assert!(wanted > 0, "{panel}");
        let panel = format!("history-number-{panel}");
        assert_eq!(panels.number(&panel).await, wanted, "{panel}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_of_the_history_are_those_of_the_command() {
    let (panels, mut told) = seeded("history-lists").await;
    told.reverse();
    let sources = |hits: Vec<Value>| -> Vec<Value> {
        hits.into_iter()
            .map(|mut hit| hit["_source"].take())
            .collect()
    };
    let stored = |records: &[Value]| -> Vec<Value> {
        let mut records = records.to_vec();
        for record in &mut records {
            record.as_object_mut().unwrap().remove("contradictions");
        }
        records
    };
    let rows = panels.list("history-list").await;
    assert_eq!(sources(rows.clone()), stored(&told));
    let risks: Vec<Value> = told
        .iter()
        .filter(|record| {
            let risk = record["document"]["capture"] == true || is_everything(record);
            ["widened", "rejected"].contains(&text(record, "kind").unwrap())
                || is_start(record) && risk
        })
        .cloned()
        .collect();
    assert_eq!(risks.len(), 3);
    let listed = sources(panels.list("history-risks").await);
    assert_eq!(listed, stored(&risks));

    for (row, record) in rows.iter().zip(&told) {
        let column = |name: &str| row["fields"][name][0].as_str().unwrap();
        let identity = match (text(record, "by"), text(record, "authenticated_by")) {
            _ if record.get("contradictions").is_some() => "CONTRADICTED",
            (_, None) => "only claimed",
            (None, Some(_)) => "only authenticated",
            (Some(_), Some(_)) => "as authenticated",
        };
        assert_eq!(column("identity"), identity, "{record}");
    }
    let column = |kind: &str, name: &str| {
        let row = rows.iter().find(|row| row["_source"]["kind"] == kind);
        row.unwrap()["fields"][name][0].as_str().unwrap().to_owned()
    };
    assert_eq!(column("widened", "matches"), "every request");
    assert_eq!(column("revoked", "matches"), "tenant=acme");
    assert_eq!(column("rejected", "matches"), "tenant=(hidden)");
    assert_eq!(column("deleted", "matches"), "(not known)");
    assert_eq!(column("extended", "records"), "CAPTURE, all");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_charts_of_the_history_count_what_the_command_counts() {
    let (panels, told) = seeded("history-charts").await;
    let cell = |record: &Value, field: &str, missing: &str| {
        text(record, field).unwrap_or(missing).to_owned()
    };
    let concerns = |record: &Value| {
        let document = &record["document"];
        let missing = match &document["targets"] {
            Value::Null => "(not known)",
            targets if *targets == json!(["tenant"]) => "(hidden)",
            _ => "every tenant",
        };
        document["tenant"].as_str().unwrap_or(missing).to_owned()
    };
    let kinds = panels.rows("history-kinds").await;
    let by_kind = counted(told.iter().map(|record| vec![cell(record, "kind", "")]));
    let total = |kind: &[String]| -> u64 {
        let rows = kinds.iter().filter(|row| row.keys[1..] == *kind);
        rows.map(|row| row.count).sum()
    };
    assert_eq!(
        kinds.iter().map(|row| row.count).sum::<u64>(),
        told.len() as u64
    );
    for (kind, count) in &by_kind {
        assert_eq!(total(kind), *count, "{kind:?}");
    }

    let wanted = counted(
        told.iter()
            .map(|record| vec![cell(record, "kind", ""), cell(record, "by", "not named")]),
    );
    assert_eq!(counts_of(&panels.rows("history-authors").await), wanted);

    for (panel, field, missing) in [
        ("history-users", "authenticated_by", "not authenticated"),
        ("history-tickets", "ticket", "no ticket"),
        ("history-tenants", "concerns", ""),
    ] {
        let key = |record: &Value| match field {
            "concerns" => concerns(record),
            field => cell(record, field, missing),
        };
        let wanted: Vec<Row> = counted(told.iter().map(|record| vec![key(record)]))
            .into_iter()
            .map(|(keys, count)| {
                let times = told.iter().filter(|record| key(record) == keys[0]);
                let times = times.map(|record| milliseconds(&record["@timestamp"]));
                let metrics = vec![times.fold(0.0, f64::max)];
                Row {
                    keys,
                    count,
                    metrics,
                }
            })
            .collect();
        assert_eq!(panels.rows(panel).await, wanted, "{panel}");
        assert!(wanted.len() > 2, "{panel}");
    }
}
