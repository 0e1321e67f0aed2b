//! Sends the requests of the dashboards' panels to a node. The tests build the request of a panel
//! from the saved objects, as OpenSearch Dashboards does.

use opensearch_directives::admin::{Client, Installer};
use serde_json::{Map, Value, json};

use crate::support::http;
use crate::support::instant;
use crate::support::node::cluster;

/// The key under which a terms aggregation counts the documents that lack the aggregation's field.
const MISSING: &str = "__missing__";

/// The saved objects of the dashboards for one index, and the URL of the node with this index.
pub(super) struct Panels {
    pub(super) url: String,
    pub(super) index: String,
    pub(super) objects: Vec<Value>,
}

/// One row of a panel that is a table, or one cell of a panel that is a chart.
#[derive(Clone, PartialEq, PartialOrd, Debug)]
pub(super) struct Row {
    /// The values that all documents of this row have in the fields by which the panel groups
    /// documents.
    pub(super) keys: Vec<String>,
    pub(super) count: u64,
    /// The metrics of the row other than the number of documents, such as the newest time in
    /// milliseconds.
    pub(super) metrics: Vec<f64>,
}

/// A condition that selects directives, records or instances in the JSON output of the command.
pub(super) type Condition<'a> = &'a dyn Fn(&Value) -> bool;

/// Converts a time to milliseconds since 1970, the form in which an aggregation returns times.
pub(super) fn milliseconds(time: &Value) -> f64 {
    instant(time).as_millisecond().to_string().parse().unwrap()
}

/// Parses the JSON in a string, because saved objects contain some values as JSON in strings.
pub(super) fn parsed(text: &Value) -> Value {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

impl Panels {
    pub(super) fn new(url: &str, index: &str) -> Self {
        let client = Client::new(&cluster(url, index)).unwrap();
        let objects = Installer::new(client).saved_objects();
        let objects = objects
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        Self {
            url: url.to_owned(),
            index: index.to_owned(),
            objects: objects.collect(),
        }
    }

    /// Returns the attributes of the saved object whose id consists of the index name and the given
    /// name.
    pub(super) fn attributes(&self, name: &str) -> &Value {
        &self.object(&format!("{}.{name}", self.index))["attributes"]
    }

    fn object(&self, id: &str) -> &Value {
        let found = self.objects.iter().find(|object| object["id"] == *id);
        found.unwrap_or_else(|| panic!("no object has the id {id}"))
    }

    /// Returns the definition of a visualization, which is the JSON in its attribute `visState`.
    pub(super) fn state(&self, name: &str) -> Value {
        parsed(&self.attributes(name)["visState"])
    }

    /// Returns the Vega specification of the panel `name`, which contains the panel's searches and
    /// its drawing.
    pub(super) fn specification(&self, name: &str) -> Value {
        parsed(&self.state(name)["params"]["spec"])
    }

    /// Returns the query with which a panel searches its index, built from the panel's Lucene query
    /// and its filters.
    pub(super) fn query(&self, name: &str) -> Value {
        let source = parsed(&self.attributes(name)["kibanaSavedObjectMeta"]["searchSourceJSON"]);
        assert_eq!(source["query"]["language"], "lucene");
        let mut conditions = vec![match source["query"]["query"].as_str().unwrap() {
            "" => json!({"match_all": {}}),
            text => json!({"query_string": {"query": text}}),
        }];
        for filter in source["filter"].as_array().unwrap() {
            assert_eq!(filter["meta"]["disabled"], false, "{name}");
            conditions.push(filter["query"].clone());
        }
        json!({"bool": {"filter": conditions}})
    }

    /// Returns the attributes of the index pattern to which the panel `name` refers.
    pub(super) fn pattern(&self, name: &str) -> &Value {
        let object = self.object(&format!("{}.{name}", self.index));
        let references = object["references"].as_array().unwrap();
        let pattern = references
            .iter()
            .find(|reference| reference["type"] == "index-pattern");
        &self.object(pattern.unwrap()["id"].as_str().unwrap())["attributes"]
    }

    /// Sends a search to the index that the panel `name` searches, and returns the response.
    pub(super) async fn search(&self, name: &str, body: &Value) -> Value {
        let index = self.pattern(name)["title"].as_str().unwrap();
        self.search_index(index, body).await
    }

    /// Sends a search to an index, and returns the response. The search succeeds even if the index
    /// is missing, as a search by OpenSearch Dashboards does.
    pub(super) async fn search_index(&self, index: &str, body: &Value) -> Value {
        let flags = "ignore_unavailable=true&track_total_hits=true";
        let path = format!("{}/{index}/_search?{flags}", self.url);
        let (status, response) = http::send("POST", &path, Some(body)).await;
        assert_eq!(status, 200, "{body}: {response}");
        assert_eq!(response["_shards"]["failed"], 0, "{body}: {response}");
        response
    }

    /// Returns the number that the panel `name` shows, if the panel shows a single number.
    pub(super) async fn number(&self, name: &str) -> u64 {
        let body = json!({"size": 0, "query": self.query(name)});
        let response = self.search(name, &body).await;
        response["hits"]["total"]["value"].as_u64().unwrap()
    }

    /// Returns the search hits that a panel shows as a list. Each hit contains the values of the
    /// panel's scripted columns in `fields`.
    pub(super) async fn list(&self, name: &str) -> Vec<Value> {
        let sort = &self.attributes(name)["sort"][0];
        let field = sort[0].as_str().unwrap();
        let body = json!({
            "size": 500, "query": self.query(name), "sort": [{field: sort[1]}],
            "script_fields": self.script_fields(name), "_source": true,
        });
        let response = self.search(name, &body).await;
        response["hits"]["hits"].as_array().unwrap().clone()
    }

    /// Returns the scripts of a panel's scripted columns, which its index pattern defines.
    pub(super) fn script_fields(&self, name: &str) -> Map<String, Value> {
        let fields = parsed(&self.pattern(name)["fields"]);
        let scripted = fields.as_array().unwrap().iter();
        let scripted = scripted.filter(|field| field["scripted"] == true);
        scripted
            .map(|field| {
                let script = json!({"source": field["script"], "lang": "painless"});
                let name = field["name"].as_str().unwrap().to_owned();
                (name, json!({"script": script}))
            })
            .collect()
    }

    /// Returns the rows that a panel shows as a table or as a chart, ordered by the keys of the
    /// rows.
    pub(super) async fn rows(&self, name: &str) -> Vec<Row> {
        let state = self.state(name);
        let aggregations = state["aggs"].as_array().unwrap();
        let fields = parsed(&self.pattern(name)["fields"]);
        let body = json!({
            "size": 0, "query": self.query(name), "aggs": request(aggregations, &fields),
        });
        let response = self.search(name, &body).await;
        let mut rows = Vec::new();
        read(aggregations, &response["aggregations"], &[], &mut rows);
        rows.sort_by(|one, other| one.keys.cmp(&other.keys));
        rows
    }
}

fn is_metric(aggregation: &Value) -> bool {
    aggregation["schema"] == "metric"
}

/// Builds the nested aggregations for the request of a panel.
fn request(aggregations: &[Value], fields: &Value) -> Value {
    let mut inner = json!({});
    for metric in aggregations.iter().filter(|one| is_metric(one)) {
        if metric["type"] != "count" {
            let kind = metric["type"].as_str().unwrap();
            let body = json!({kind: {"field": metric["params"]["field"]}});
            inner[metric["id"].as_str().unwrap()] = body;
        }
    }
    for bucket in aggregations.iter().rev().filter(|one| !is_metric(one)) {
        let params = &bucket["params"];
        let mut body = match bucket["type"].as_str().unwrap() {
            "terms" => json!({"terms": terms(params, fields)}),
            "date_histogram" => json!({"date_histogram": {
                "field": params["field"], "fixed_interval": "1d", "min_doc_count": 1,
            }}),
            other => panic!("the test does not know the aggregation {other}"),
        };
        body["aggs"] = inner;
        inner = json!({bucket["id"].as_str().unwrap(): body});
    }
    inner
}

fn terms(params: &Value, fields: &Value) -> Value {
    let mut fields = fields.as_array().unwrap().iter();
    let field = fields
        .find(|field| field["name"] == params["field"])
        .unwrap();
    let order = match params["orderBy"].as_str().unwrap() {
        "_key" => "_key",
        _ => "_count",
    };
    let mut terms = json!({"size": params["size"], "order": {order: params["order"]}});
    if field["scripted"] == true {
        terms["script"] = json!({"source": field["script"], "lang": field["lang"]});
        terms["value_type"] = field["type"].clone();
    } else {
        terms["field"] = params["field"].clone();
    }
    if params["missingBucket"] == true {
        assert_eq!(field["type"], "string", "only these have a missing bucket");
        terms["missing"] = MISSING.into();
    }
    terms
}

/// Reads the rows of a panel from the nested buckets in the response to the panel's request.
fn read(aggregations: &[Value], found: &Value, keys: &[String], rows: &mut Vec<Row>) {
    let mut buckets = aggregations.iter().filter(|one| !is_metric(one));
    let Some(bucket) = buckets.nth(keys.len()) else {
        let metrics = aggregations.iter().filter(|one| is_metric(one));
        let metrics = metrics.filter(|metric| metric["type"] != "count");
        let value = |metric: &Value| found[metric["id"].as_str().unwrap()]["value"].as_f64();
        return rows.push(Row {
            keys: keys.to_vec(),
            count: found["doc_count"].as_u64().unwrap(),
            metrics: metrics.map(|metric| value(metric).unwrap()).collect(),
        });
    };
    let of = &found[bucket["id"].as_str().unwrap()];
    assert!(of["sum_other_doc_count"].as_u64().unwrap_or_default() == 0);
    for group in of["buckets"].as_array().unwrap() {
        let key = group["key_as_string"].as_str().or(group["key"].as_str());
        let key = match key.unwrap() {
            MISSING => bucket["params"]["missingBucketLabel"].as_str().unwrap(),
            key => key,
        };
        read(
            aggregations,
            group,
            &[keys, &[key.to_owned()]].concat(),
            rows,
        );
    }
}

/// Counts how often each list of keys occurs, and returns the counts ordered by the keys.
pub(super) fn counted(keys: impl Iterator<Item = Vec<String>>) -> Vec<(Vec<String>, u64)> {
    let mut counts = std::collections::BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

/// Returns the keys and the number of documents of each row, without the row's other metrics.
pub(super) fn counts_of(rows: &[Row]) -> Vec<(Vec<String>, u64)> {
    rows.iter()
        .map(|row| (row.keys.clone(), row.count))
        .collect()
}
