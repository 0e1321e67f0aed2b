//! Tests the files that `init` installs on a real node: the pipeline and the mapping accept only
//! valid documents, and the dashboards show the right rows.

use std::time::Duration;

use opensearch_directives::admin::{Client, Installer};
use opensearch_directives::document::{DecodeLimits, Document, Rejection, decode};
use opensearch_directives::{Clock as _, SystemClock};
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::command::run;
use crate::support::http::{self, bulk};
use crate::support::node::{cluster, installed_index, shared_url};
use crate::support::{in_hours, stored};

/// Returns the cases of `pipeline_cases.json`, with dates relative to today.
fn pipeline_cases() -> Vec<Value> {
    let date = |days: i64| in_hours(24 * days)[..10].to_owned();
    let cases = include_str!("data/pipeline_cases.json")
        .replace("TOMORROW", &date(1))
        .replace("NEXTWEEK", &date(7));
    serde_json::from_str(&cases).unwrap()
}

/// Decodes a stored document as a proxy does.
fn as_a_proxy(id: &str, source: &Value) -> Result<Document, Rejection> {
    let limits = DecodeLimits {
        now: SystemClock.now(),
        max_ttl: Duration::MAX,
    };
    decode(id, &source.to_string(), &limits).map(|document| document.to_document())
}

#[tokio::test]
async fn the_pipeline_accepts_valid_documents_and_refuses_all_others() {
    let url = shared_url();
    let index = installed_index(&url, "pipeline").await;
    let cases = pipeline_cases();
    assert!(cases.len() > 250);
    let mut wrong = Vec::new();
    for case in &cases {
        let (method, path) = match case["id"].as_str() {
            Some(id) => ("PUT", format!("{url}/{index}/_doc/{id}")),
            None => ("POST", format!("{url}/{index}/_doc")),
        };
        http::send("DELETE", &path, None).await;
        let (status, response) = http::send(method, &path, Some(&case["body"])).await;
        let reason = response["error"]["caused_by"]["reason"]
            .as_str()
            .unwrap_or_default();
        let named = match case["field"].as_str() {
            Some(field) => reason.starts_with(&format!("{field}: ")),
            None => true,
        };
        if status != case["status"] || !named {
            wrong.push(format!("{}: {status} {reason}", case["name"]));
        } else if status == 201 {
            // A proxy accepts every document that the pipeline has stored.
            let source = http::get(&path).await.1["_source"].clone();
            if let Err(rejection) = as_a_proxy("case", &source) {
                wrong.push(format!("{}: a proxy says {rejection}", case["name"]));
            }
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

/// A directive that the pipeline stored in an index of its own.
struct Written {
    url: String,
    index: String,
}

impl Written {
    async fn new(prefix: &str, body: Value) -> Self {
        let url = shared_url();
        let index = installed_index(&url, prefix).await;
        let written = Self { url, index };
        assert_eq!(http::put(&written.document(), &body).await.0, 201);
        written
    }

    fn document(&self) -> String {
        format!("{}/{}/_doc/a?refresh=true", self.url, self.index)
    }

    async fn source(&self) -> Value {
        let path = format!("{}/{}/_doc/a", self.url, self.index);
        http::get(&path).await.1["_source"].clone()
    }

    /// Sends an `_update`, and returns the status and the reason if the update was refused.
    async fn update(&self, body: &Value) -> (u16, String) {
        let path = format!("{}/{}/_update/a?refresh=true", self.url, self.index);
        let (status, response) = http::send("POST", &path, Some(body)).await;
        let reason = &response["error"]["caused_by"]["reason"];
        (status, reason.as_str().unwrap_or_default().to_owned())
    }
}

#[tokio::test]
async fn a_short_draft_is_stored_explicitly() {
    let draft = json!({"level": "Shape", "tenant": "acme", "endpoint": "Search"});
    let written = Written::new("explicit", draft).await;
    let source = written.source().await;
    for (field, value) in [
        ("targets", json!(["tenant", "endpoint"])),
        ("sample_per_mille", json!(1000)),
        ("starts_at", source["created_at"].clone()),
        ("revoked", json!(false)),
        ("updated_by", json!("unknown")),
    ] {
        assert_eq!(source[field], value, "{field}");
    }
    let document = as_a_proxy("a", &source).unwrap();
    assert_eq!(document.directive.starts_at, None, "it applies at once");
    let updated_at = document.audit.updated_at.unwrap();
    let ttl = document.directive.expires_at.duration_since(updated_at);
    assert_eq!(ttl.as_secs(), 900, "the default of the cluster");
}

#[tokio::test]
async fn a_script_that_removes_a_target_or_a_rate_does_not_widen_a_directive() {
    let draft = json!({
        "level": "Shape", "tenant": "acme", "sample_per_mille": 1, "ttl_secs": 600,
    });
    let written = Written::new("narrow", draft).await;
    let before = written.source().await;
    for (fields, named) in [
        ("tenant", "tenant"),
        ("targets", "targets"),
        ("sample_per_mille", "sample_per_mille"),
        ("starts_at", "starts_at"),
        ("expires_at", "expires_at"),
        ("revoked", "revoked"),
        // The script removes the tenant and the list of targets. The other fields show that the
        // document is a stored one and not a draft.
        ("tenant targets", "targets"),
    ] {
        let script: String = fields
            .split(' ')
            .map(|field| format!("ctx._source.remove('{field}');"))
            .collect();
        let script = json!({"script": {"source": script}});
        let (status, reason) = written.update(&script).await;
        assert_eq!(status, 400, "{fields}: {reason}");
        assert!(reason.starts_with(&format!("{named}: ")), "{reason}");
        let path = format!("{}/{}/_update_by_query", written.url, written.index);
        let (status, _) = http::send("POST", &path, Some(&script)).await;
        assert_eq!(status, 400, "{fields}");
    }
    assert_eq!(written.source().await, before);
    // An additional target narrows a directive, so the pipeline accepts it.
    let (status, reason) = written.update(&json!({"doc": {"index": "orders"}})).await;
    assert_eq!(status, 200, "{reason}");
    let targets = &written.source().await["targets"];
    assert_eq!(*targets, json!(["tenant", "index"]));
}

#[tokio::test]
async fn revoking_by_either_field_revokes() {
    for (update, revoked_at) in [
        (json!({"revoked": true, "author": "bob"}), None),
        (
            json!({"revoked_at": "2030-01-01T00:00:00Z"}),
            Some("2030-01-01T00:00:00Z"),
        ),
    ] {
        let draft = json!({"level": "Shape", "ttl_secs": 600});
        let written = Written::new("revoke", draft).await;
        let (status, reason) = written.update(&json!({ "doc": update })).await;
        assert_eq!(status, 200, "{reason}");
        let source = written.source().await;
        assert_eq!(source["revoked"], true);
        let time = revoked_at.map_or(source["updated_at"].clone(), Value::from);
        assert_eq!(source["revoked_at"], time);
        assert!(as_a_proxy("a", &source).unwrap().revoked);
        // A partial update cannot reactivate the directive.
        let back = json!({"doc": {"revoked": false}});
        written.update(&back).await;
        assert_eq!(written.source().await["revoked"], true);
    }
}

#[tokio::test]
async fn no_write_keeps_the_name_of_the_former_author() {
    let draft = json!({"level": "Shape", "ttl_secs": 600, "updated_by": "ann"});
    let written = Written::new("names", draft).await;
    assert_eq!(written.source().await["updated_by"], "ann");
    let (status, reason) = written.update(&json!({"doc": {"level": "Off"}})).await;
    assert_eq!(status, 200, "{reason}");
    assert_eq!(written.source().await["updated_by"], "unknown");
    let by_bob = json!({"doc": {"level": "Shape", "author": "bob"}});
    let (status, reason) = written.update(&by_bob).await;
    assert_eq!(status, 200, "{reason}");
    let source = written.source().await;
    assert_eq!(source["updated_by"], "bob");
    assert!(source.get("author").is_none());
    // A client writes back the document that it has read.
    assert_eq!(http::put(&written.document(), &source).await.0, 200);
    assert_eq!(written.source().await["updated_by"], "unknown");
}

#[tokio::test]
async fn an_id_that_no_path_can_carry_is_refused_by_the_cluster() {
    let url = shared_url();
    let index = installed_index(&url, "ids").await;
    for id in [".", "..", "a\tb", "a\nb", "a\u{7f}", "a\u{85}"] {
        let action = json!({"index": {"_index": index, "_id": id}});
        let document = json!({"level": "Shape", "ttl_secs": 600});
        let (_, response) = http::send_lines(&url, format!("{action}\n{document}\n")).await;
        let error = &response["items"][0]["index"]["error"]["caused_by"]["reason"];
        let error = error.as_str().unwrap_or_default();
        assert!(error.starts_with("id: "), "{id:?}: {response}");
    }
}

#[tokio::test]
async fn the_pipeline_makes_the_expiry_absolute_by_the_clusters_clock() {
    let body = json!({"level": "Shape", "ttl_secs": 90, "updated_at": "2001-01-01T00:00:00Z"});
    let written = Written::new("stamps", body).await;
    let source = written.source().await;
    let time =
        |field: &str| -> jiff::Timestamp { source[field].as_str().unwrap().parse().unwrap() };
    let ttl = time("expires_at").duration_since(time("updated_at"));
    assert_eq!(ttl.as_secs(), 90);
    assert_eq!(source["created_at"], source["updated_at"]);
    assert!(source.get("ttl_secs").is_none());
}

#[tokio::test]
async fn the_index_has_the_settings_of_the_template() {
    let url = shared_url();
    let index = installed_index(&url, "settings").await;
    let (_, response) = http::get(&format!("{url}/{index}?flat_settings=true")).await;
    let there = &response[&index];
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

/// Returns the saved objects of the dashboards.
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
        let mut document = stored(fields);
        document["level"] = "Shape".into();
        document["updated_at"] = in_hours(-1).into();
        // The pipeline would refuse an expiry in the past, so these writes bypass the pipeline.
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
        let (status, response) = http::send(
            "POST",
            &format!("{url}/{index}/_search"),
            Some(&search(panel)),
        )
        .await;
        assert_eq!(status, 200, "{response}");
        let hits: Vec<&str> = response["hits"]["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["_id"].as_str().unwrap())
            .collect();
        assert_eq!(hits, rows, "{panel}");
    }
    changes_by_author(&url, &index, &objects).await;
}

/// Checks the panel that shows changes over time by author, with the aggregations of the panel.
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
    let (_, response) = http::send("POST", &format!("{url}/{index}/_search"), Some(&body)).await;
    let mut authors: Vec<(String, u64)> = response["aggregations"]["over_time"]["buckets"]
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
            // The title of each index pattern is the index in `--directives-index`, without a
            // wildcard.
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
