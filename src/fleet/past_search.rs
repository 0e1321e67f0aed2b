//! Searches the history of the fleet for one transition of each instance, page by page.

use std::collections::BTreeMap;

use opensearch::SearchParts;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::index_name;
use super::transition::Transition;
use crate::admin::{DirectivesApi, WriteError};
use crate::history::{UnreadableRecord, stream_name};
use crate::http::malformed;
use crate::rest::{SearchResponse, search_for};

/// The number of instances after which a search ends.
const MAX_INSTANCES: usize = 50_000;
/// The number of instances in one page. A page of the largest possible records is smaller than the
/// size limit of responses.
const PAGE_SIZE: usize = 1_000;
const FILTER_PATH: &str = "timed_out,_shards.total,_shards.successful,_shards.failed,hits.total,\
                           aggregations.instances.buckets.key,\
                           aggregations.instances.buckets.first.hits.hits._id,\
                           aggregations.instances.buckets.first.hits.hits._source";

/// One transition of each instance, by the name of the instance.
#[derive(Debug, Default)]
pub(super) struct Transitions {
    pub(super) of: BTreeMap<String, Transition>,
    /// The records that cannot be decoded.
    pub(super) unreadable: Vec<UnreadableRecord>,
    /// Whether there are more instances than the search returned.
    pub(super) is_truncated: bool,
}

impl DirectivesApi {
    /// Reads one transition of each instance in a range of time: the first transition in the given
    /// order.
    pub(super) async fn transitions(
        &self,
        range: &Value,
        order: &str,
    ) -> Result<Transitions, WriteError> {
        let mut all = Transitions::default();
        let mut after = None;
        loop {
            let page = self.page(range, order, after.as_ref()).await?;
            let count = page.len();
            after = page.last().map(|(instance, _)| instance.clone());
            for (instance, hit) in page {
                match serde_json::from_value(hit.source) {
                    Ok(transition) => {
                        all.of.insert(instance, transition);
                    }
                    Err(error) => {
                        let record = UnreadableRecord::new(&hit.id, &error.to_string());
                        all.unreadable.push(record);
                    }
                }
            }
            if count < PAGE_SIZE {
                return Ok(all);
            }
            if all.of.len() + all.unreadable.len() >= MAX_INSTANCES {
                all.is_truncated = true;
                return Ok(all);
            }
        }
    }

    /// Reads the instances whose names follow `after`, each with the record of its transition.
    async fn page(
        &self,
        range: &Value,
        order: &str,
        after: Option<&String>,
    ) -> Result<Vec<(String, Hit)>, WriteError> {
        let stream = stream_name(&index_name(self.client().index()));
        let path = SearchParts::Index(&[&stream]).url();
        let request = search_for(&path, 0, FILTER_PATH, page_body(range, order, after));
        let operation = request.operation();
        let failed = |problem: String| malformed(operation.clone(), problem);
        let body = self.client().send(request).await?;
        let response: SearchResponse<'_> =
            serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))?;
        let complete = response
            .complete()
            .map_err(|incomplete| failed(incomplete.to_string()))?;
        let found: Found =
            serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))?;
        let buckets = found.aggregations.unwrap_or_default().instances.buckets;
        if buckets.is_empty() && complete.total > 0 && after.is_none() {
            return Err(failed("the response lacks the instances".to_owned()).into());
        }
        let records = buckets.into_iter().map(|bucket| {
            let hit = bucket.first.hits.hits.into_iter().next();
            let hit = hit.ok_or_else(|| failed("an instance has no record".to_owned()))?;
            Ok((bucket.key.instance, hit))
        });
        records.collect()
    }
}

/// Builds the body of a search for the first transition of each instance. A `collapse` would be
/// limited to one page, because OpenSearch cannot continue it in another order than that of the
/// collapsed field.
fn page_body(range: &Value, order: &str, after: Option<&String>) -> Map<String, Value> {
    let mut composite = json!({
        "size": PAGE_SIZE,
        "sources": [{ "instance": { "terms": { "field": "instance" } } }],
    });
    if let Some(after) = after {
        composite["after"] = json!({ "instance": after });
    }
    let first = json!({ "top_hits": { "size": 1, "sort": [{ "@timestamp": order }] } });
    let instances = json!({ "composite": composite, "aggs": { "first": first } });
    Map::from_iter([
        (
            "query".to_owned(),
            json!({ "range": { "@timestamp": range } }),
        ),
        ("aggs".to_owned(), json!({ "instances": instances })),
    ])
}

/// The aggregations of a page. Because of `filter_path`, the response omits empty lists.
#[derive(Deserialize)]
struct Found {
    aggregations: Option<Aggregations>,
}

#[derive(Default, Deserialize)]
struct Aggregations {
    instances: Instances,
}

#[derive(Default, Deserialize)]
struct Instances {
    #[serde(default)]
    buckets: Vec<Bucket>,
}

#[derive(Deserialize)]
struct Bucket {
    key: Key,
    first: TopHits,
}

#[derive(Deserialize)]
struct Key {
    instance: String,
}

#[derive(Deserialize)]
struct TopHits {
    hits: Hits,
}

#[derive(Deserialize)]
struct Hits {
    #[serde(default)]
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_source")]
    source: Value,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::http::{Client, ClusterConfig, Request, RequestFailure, Response, Transport};

    /// A cluster whose history of the fleet has one record of each of this many instances.
    #[derive(Debug)]
    struct Instances(usize);

    impl Transport for Instances {
        fn send<'a>(
            &'a self,
            _node: usize,
            request: &'a Request,
            _timeout: Duration,
        ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
            let body: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
            let after = &body["aggs"]["instances"]["composite"]["after"]["instance"];
            let first = after
                .as_str()
                .map_or(0, |name| name.parse::<usize>().unwrap() + 1);
            let bucket = |number: usize| {
                let source = json!({
                    "@timestamp": "2030-01-01T12:00:00Z", "instance": format!("{number:06}"),
                    "kind": "agent", "started": "2030-01-01T11:00:00Z", "digest": "d",
                    "off": false, "rejected": 0, "left": false,
                });
                json!({
                    "key": { "instance": format!("{number:06}") },
                    "first": { "hits": { "hits": [{ "_id": "i", "_source": source }] } },
                })
            };
            let buckets = (first..self.0).take(PAGE_SIZE).map(bucket);
            let response = json!({
                "timed_out": false, "_shards": { "total": 1, "successful": 1, "failed": 0 },
                "hits": { "total": { "value": self.0, "relation": "eq" } },
                "aggregations": { "instances": { "buckets": buckets.collect::<Vec<_>>() } },
            });
            let response = Response {
                status: 200,
                retry_after: None,
                content_type: Some("application/json".to_owned()),
                body: Bytes::from(response.to_string()),
            };
            std::future::ready(Ok(response)).boxed()
        }
    }

    #[tokio::test]
    async fn all_instances_are_read_up_to_a_limit_that_the_result_states() {
        let cluster = ClusterConfig::new(["http://fleet.example".parse().unwrap()]);
        for (instances, is_truncated) in [
            (0, false),
            (1, false),
            (PAGE_SIZE, false),
            (2 * PAGE_SIZE + 1, false),
            (MAX_INSTANCES + 1, true),
        ] {
            let client = Client::over(Arc::new(Instances(instances)), &cluster);
            let found = DirectivesApi::new(client)
                .transitions(&json!({}), "asc")
                .await;
            let found = found.unwrap();
            assert_eq!(found.of.len(), instances.min(MAX_INSTANCES));
            assert_eq!(found.is_truncated, is_truncated, "{instances}");
        }
    }
}
