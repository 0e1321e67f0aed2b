//! The template, the pipeline and the dashboards, on a real node.

use opensearch_directives::admin::{Client, Installer};
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::command::run;
use crate::support::http::{self, bulk};
use crate::support::in_hours;
use crate::support::node::{cluster, installed_index, shared_url};

#[tokio::test]
async fn the_pipeline_takes_and_refuses_what_it_should() {
    let url = shared_url();
    let index = installed_index(&url, "pipeline").await;
    let cases: Vec<Value> = serde_json::from_str(include_str!("data/pipeline_cases.json")).unwrap();
    assert!(cases.len() > 200);
    let mut wrong = Vec::new();
    for case in &cases {
        let (method, path) = match case["id"].as_str() {
            Some(id) => ("PUT", format!("{url}/{index}/_doc/{id}")),
            None => ("POST", format!("{url}/{index}/_doc")),
        };
        http::send("DELETE", &path, None).await;
        let (status, answer) = http::send(method, &path, Some(&case["body"])).await;
        let reason = answer["error"]["caused_by"]["reason"]
            .as_str()
            .unwrap_or_default();
        let named = match case["field"].as_str() {
            Some(field) => reason.starts_with(&format!("{field}: ")),
            None => true,
        };
        if status != case["status"] || !named {
            wrong.push(format!("{}: {status} {reason}", case["name"]));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn the_pipeline_makes_the_expiry_absolute_by_the_clusters_clock() {
    let url = shared_url();
    let index = installed_index(&url, "stamps").await;
    let document = format!("{url}/{index}/_doc/a");
    let body = json!({"level": "Shape", "ttl_secs": 90, "updated_at": "2001-01-01T00:00:00Z"});
    assert_eq!(http::put(&document, &body).await.0, 201);
    let source = http::get(&document).await.1["_source"].clone();
    let time =
        |field: &str| -> jiff::Timestamp { source[field].as_str().unwrap().parse().unwrap() };
    assert_eq!(
        time("expires_at")
            .duration_since(time("updated_at"))
            .as_secs(),
        90
    );
    assert_eq!(source["created_at"], source["updated_at"]);
    assert!(source.get("ttl_secs").is_none());
}

#[tokio::test]
async fn the_index_has_the_settings_of_the_template() {
    let url = shared_url();
    let index = installed_index(&url, "settings").await;
    let (_, answer) = http::get(&format!("{url}/{index}?flat_settings=true")).await;
    let there = &answer[&index];
    for (setting, value) in [
        ("index.number_of_shards", "1"),
        ("index.auto_expand_replicas", "0-1"),
        ("index.refresh_interval", "1s"),
        ("index.default_pipeline", "directives"),
        ("index.mapping.coerce", "false"),
    ] {
        assert_eq!(there["settings"][setting], value, "{setting}");
    }
    assert_eq!(there["mappings"]["dynamic"], "strict");
}

/// The saved objects, by id.
fn saved_objects(url: &str, index: &str) -> Vec<Value> {
    let client = Client::new(&cluster(url, index)).unwrap();
    Installer::new(client)
        .saved_objects()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn the_panels_queries_give_the_expected_rows() {
    let url = shared_url();
    let index = installed_index(&url, "panels").await;
    let mut body = String::new();
    for (id, fields) in [
        (
            "now",
            json!({"expires_at": in_hours(100), "updated_by": "ann"}),
        ),
        (
            "now-started",
            json!({"starts_at": in_hours(-1), "expires_at": in_hours(99), "updated_by": "bob"}),
        ),
        (
            "soon",
            json!({"expires_at": in_hours(2), "updated_by": "ann"}),
        ),
        (
            "scheduled",
            json!({"starts_at": in_hours(1), "expires_at": in_hours(3), "updated_by": "bob"}),
        ),
        (
            "expired",
            json!({"expires_at": in_hours(-2), "updated_by": "ann"}),
        ),
        (
            "revoked",
            json!({"expires_at": in_hours(2), "revoked_at": in_hours(-1), "updated_by": "eve"}),
        ),
        ("anonymous", json!({"expires_at": in_hours(101)})),
    ] {
        let mut document = fields;
        document["level"] = "Shape".into();
        document["updated_at"] = in_hours(-1).into();
        // Past expiries do not go through the pipeline.
        let action = json!({"index": {"_index": index, "_id": id, "pipeline": "_none"}});
        body.push_str(&format!("{action}\n{document}\n"));
    }
    bulk(&url, body).await;

    let objects = saved_objects(&url, &index);
    let search = |id: &str| {
        let object = objects
            .iter()
            .find(|object| object["id"] == id)
            .unwrap()
            .clone();
        let source = &object["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"];
        let source: Value = serde_json::from_str(source.as_str().unwrap()).unwrap();
        let sort: Vec<Value> = object["attributes"]["sort"].as_array().unwrap().clone();
        json!({
            "query": {"query_string": {"query": source["query"]["query"]}},
            "sort": sort.iter().map(|by| json!({by[0].as_str().unwrap(): by[1]})).collect::<Vec<_>>(),
        })
    };
    for (panel, rows) in [
        (
            "opensearch-directives-on-now",
            vec!["soon", "now-started", "now", "anonymous"],
        ),
        ("opensearch-directives-expire-soon", vec!["soon"]),
        ("opensearch-directives-scheduled", vec!["scheduled"]),
    ] {
        let (status, answer) = http::send(
            "POST",
            &format!("{url}/{index}/_search"),
            Some(&search(panel)),
        )
        .await;
        assert_eq!(status, 200, "{answer}");
        let hits: Vec<&str> = answer["hits"]["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["_id"].as_str().unwrap())
            .collect();
        assert_eq!(hits, rows, "{panel}");
    }
    changes_by_author(&url, &index, &objects).await;
}

/// Changes over time by author: the panel's own aggregations.
async fn changes_by_author(url: &str, index: &str, objects: &[Value]) {
    let object = objects
        .iter()
        .find(|object| object["id"] == "opensearch-directives-changes-by-author")
        .unwrap();
    let state: Value =
        serde_json::from_str(object["attributes"]["visState"].as_str().unwrap()).unwrap();
    let params = |kind: &str| {
        let aggs = state["aggs"].as_array().unwrap();
        aggs.iter().find(|agg| agg["type"] == kind).unwrap()["params"].clone()
    };
    let terms = params("terms");
    let body = json!({"size": 0, "aggs": {"over_time": {
        "date_histogram": {"field": params("date_histogram")["field"], "fixed_interval": "1d"},
        "aggs": {"by": {"terms": {
            "field": terms["field"], "size": terms["size"], "missing": terms["missingBucketLabel"],
        }}},
    }}});
    let (_, answer) = http::send("POST", &format!("{url}/{index}/_search"), Some(&body)).await;
    let mut authors: Vec<(String, u64)> = answer["aggregations"]["over_time"]["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|day| day["by"]["buckets"].as_array().unwrap())
        .map(|by| {
            (
                by["key"].as_str().unwrap().to_owned(),
                by["doc_count"].as_u64().unwrap(),
            )
        })
        .collect();
    authors.sort();
    assert_eq!(
        authors,
        [("ann", 3), ("bob", 2), ("eve", 1), ("not named", 1)].map(|(who, n)| (who.to_owned(), n))
    );
}

#[test]
fn the_saved_objects_refer_to_each_other_and_to_fields_that_exist() {
    let objects = saved_objects("http://127.0.0.1:1", "elsewhere");
    let template: Value =
        serde_json::from_str(include_str!("../../../mappings/index-template.json")).unwrap();
    let properties = &template["template"]["mappings"]["properties"];
    let mut patterns = 0;
    for object in &objects {
        if object["type"] == "index-pattern" {
            // The index that `--directives-index` names, and no wildcard.
            assert_eq!(object["attributes"]["title"], "elsewhere");
            patterns += 1;
        }
        for reference in object["references"].as_array().unwrap() {
            let resolves = objects
                .iter()
                .any(|other| other["id"] == reference["id"] && other["type"] == reference["type"]);
            assert!(resolves, "{}: {reference}", object["id"]);
        }
        for column in object["attributes"]["columns"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let known = column == "_id" || properties.get(column.as_str().unwrap()).is_some();
            assert!(known, "{}: {column}", object["id"]);
        }
        for (key, value) in object["attributes"].as_object().unwrap() {
            if key.ends_with("JSON") || key == "visState" {
                let parsed: Result<Value, _> = serde_json::from_str(value.as_str().unwrap());
                assert!(parsed.is_ok(), "{} {key}", object["id"]);
            }
        }
    }
    assert_eq!(patterns, 2);
}

#[tokio::test]
async fn init_imports_the_dashboards() {
    let url = shared_url();
    let index = installed_index(&url, "import").await;
    let dashboards = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/api/saved_objects/_import"))
        .and(query_param("overwrite", "true"))
        .and(header("osd-xsrf", "true"))
        .and(|request: &Request| {
            let body = String::from_utf8_lossy(&request.body);
            let content_type = request.headers["content-type"].to_str().unwrap();
            let boundary = content_type
                .strip_prefix("multipart/form-data; boundary=")
                .unwrap();
            body.starts_with(&format!("--{boundary}\r\n"))
                && body.ends_with(&format!("\r\n--{boundary}--\r\n"))
                && body.contains("\"type\":\"dashboard\"")
        })
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({"success": true, "successCount": 8})),
        )
        .expect(1)
        .mount(&dashboards)
        .await;
    let args = ["init", "--dashboards", &dashboards.uri()];
    let ran = tokio::task::spawn_blocking({
        let (url, index, args) = (url.clone(), index.clone(), args.map(str::to_owned));
        move || run(&url, &index, &args.each_ref().map(String::as_str))
    });
    assert!(
        ran.await
            .unwrap()
            .ok()
            .stdout
            .contains("import 8 saved objects")
    );
    dashboards.verify().await;

    dashboards.reset().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(
            json!({"success": false, "errors": [{"id": "x", "error": {"type": "missing_references"}}]}),
        ))
        .mount(&dashboards)
        .await;
    let args = ["init", "--dashboards", &dashboards.uri()].map(str::to_owned);
    let ran = tokio::task::spawn_blocking(move || {
        run(&url, &index, &args.each_ref().map(String::as_str))
    });
    let ran = ran.await.unwrap();
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("missing_references"), "{}", ran.stderr);
}
