//! Searches the history of the fleet for one transition of each instance, page by page.

use std::collections::BTreeMap;

use opensearch::SearchParts;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::find_transitions::Transition;
use super::index_name;
use crate::admin::{DirectivesApi, WriteError};
use crate::history::{UnreadableRecord, stream_name};
use crate::http::{RequestError, RequestErrorKind, malformed};
use crate::rest::{PageSize, SearchResponse, TOO_LARGE, search_for};

/// The maximum number of instances that a search reads before it ends.
const MAX_INSTANCES: usize = 50_000;
/// The maximum number of instances in one page of a search. Instances write such small records that
/// a page with this number of records fits into the size limit of responses.
const PAGE_SIZE: usize = 1_000;
const FILTER_PATH: &str = "timed_out,_shards.total,_shards.successful,_shards.failed,hits.total,\
                           aggregations.instances.buckets.key,\
                           aggregations.instances.buckets.first.hits.hits._id,\
                           aggregations.instances.buckets.first.hits.hits._source";

/// At most one transition of each instance, keyed by the name of the instance.
#[derive(Debug, Default)]
pub(super) struct Transitions {
    pub(super) of: BTreeMap<String, Transition>,
    /// The records that cannot be decoded.
    pub(super) unreadable: Vec<UnreadableRecord>,
    /// Whether there are more instances than the search returned.
    pub(super) is_truncated: bool,
}

impl DirectivesApi {
    /// Reads one transition of each instance in a range of time: the first or the last one,
    /// depending on the given order.
    pub(super) async fn transitions(
        &self,
        range: &Value,
        order: &str,
    ) -> Result<Transitions, WriteError> {
        let mut all = Transitions::default();
        let (mut size, mut after) = (PageSize::new(PAGE_SIZE), None);
        loop {
            let page = self.page_that_fits(range, order, &mut size, after.as_ref());
            let page = page.await?;
            let count = page.len();
            after = page.last().map(|(instance, _)| instance.clone());
            for (instance, hit) in page {
                match hit.transition() {
                    Ok(transition) => {
                        all.of.insert(instance, transition);
                    }
                    Err(unreadable) => all.unreadable.push(unreadable),
                }
            }
            if count < size.get() {
                return Ok(all);
            }
            if all.of.len() + all.unreadable.len() >= MAX_INSTANCES {
                all.is_truncated = true;
                return Ok(all);
            }
            size.grow();
        }
    }

    /// Reads a page of at most `size` instances. If the response is larger than the size limit of
    /// responses, the method reads a smaller page instead. If a single record exceeds the size
    /// limit, the page contains only the id of that record.
    async fn page_that_fits(
        &self,
        range: &Value,
        order: &str,
        size: &mut PageSize,
        after: Option<&String>,
    ) -> Result<Vec<(String, Hit)>, RequestError> {
        loop {
            match self.page(page_body(range, order, size.get(), after)).await {
                Err(error) if error.kind() == RequestErrorKind::TooLarge => {
                    if !size.shrink() {
                        let mut body = page_body(range, order, 1, after);
                        body["aggs"]["instances"]["aggs"]["first"]["top_hits"]["_source"] =
                            false.into();
                        return self.page(body).await;
                    }
                }
                other => return other,
            }
        }
    }

    /// Reads one page: each instance with the record of its transition.
    async fn page(&self, body: Map<String, Value>) -> Result<Vec<(String, Hit)>, RequestError> {
        let stream = stream_name(&index_name(self.client().index()));
        let path = SearchParts::Index(&[&stream]).url();
        let is_first = body["aggs"]["instances"]["composite"]
            .get("after")
            .is_none();
        let request = search_for(&path, 0, FILTER_PATH, body);
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
        if buckets.is_empty() && complete.total > 0 && is_first {
            return Err(failed("the response lacks the instances".to_owned()));
        }
        let records = buckets.into_iter().map(|bucket| {
            let hit = bucket.first.hits.hits.into_iter().next();
            let hit = hit.ok_or_else(|| failed("an instance has no record".to_owned()))?;
            Ok((bucket.key.instance, hit))
        });
        records.collect()
    }
}

/// Builds the body of a search for the first transition of each instance. The search uses an
/// aggregation instead of `collapse`, because OpenSearch can continue a search with `collapse` on a
/// second page only in the order of the collapsed field.
fn page_body(
    range: &Value,
    order: &str,
    size: usize,
    after: Option<&String>,
) -> Map<String, Value> {
    let mut composite = json!({
        "size": size,
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

/// The response to the search for one page of instances, of which only the aggregations are needed.
/// Empty lists are absent from the response, because the request uses `filter_path`.
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
    /// The content of the record; `None` if the search requested only the id.
    #[serde(rename = "_source")]
    source: Option<Value>,
}

impl Hit {
    fn transition(self) -> Result<Transition, UnreadableRecord> {
        let unreadable = |problem: &str| UnreadableRecord::new(&self.id, problem);
        let source = self.source.ok_or_else(|| unreadable(TOO_LARGE))?;
        serde_json::from_value(source).map_err(|error| unreadable(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::http::scripted_transport::{
        body_of, bounded_response, complete_search, scripted_client,
    };
    use crate::http::{Request, RequestFailure, Response};

    const LIMIT: usize = 1_000_000;

    fn record(number: usize) -> Value {
        json!({
            "@timestamp": "2030-01-01T12:00:00Z", "instance": format!("{number:06}"),
            "kind": "agent", "started": "2030-01-01T11:00:00Z", "digest": "d",
            "off": false, "rejected": 0, "left": false,
        })
    }

    /// Responds like a cluster whose history of the fleet has one record of each instance.
    fn respond(
        instances: usize,
        record: fn(usize) -> Value,
        request: &Request,
    ) -> Result<Response, RequestFailure> {
        let search = body_of(request);
        let instances_of = &search["aggs"]["instances"];
        let after = &instances_of["composite"]["after"]["instance"];
        let first = after
            .as_str()
            .map_or(0, |name| name.parse::<usize>().unwrap() + 1);
        let size = instances_of["composite"]["size"].as_u64().unwrap();
        let has_content = instances_of["aggs"]["first"]["top_hits"]["_source"].is_null();
        let bucket = |number: usize| {
            let mut hit = json!({ "_id": format!("r{number}") });
            if has_content {
                hit["_source"] = record(number);
            }
            json!({
                "key": { "instance": format!("{number:06}") },
                "first": { "hits": { "hits": [hit] } },
            })
        };
        let buckets = (first..instances).take(usize::try_from(size).unwrap());
        let buckets: Vec<Value> = buckets.map(bucket).collect();
        let mut body = complete_search(instances);
        body["aggregations"] = json!({ "instances": { "buckets": buckets } });
        bounded_response(LIMIT, &body)
    }

    async fn transitions(instances: usize, record: fn(usize) -> Value) -> Transitions {
        let client = scripted_client(move |request| respond(instances, record, request));
        let api = DirectivesApi::new(client);
        api.transitions(&json!({}), "asc").await.unwrap()
    }

    #[tokio::test]
    async fn all_instances_are_read_up_to_a_limit_that_the_result_states() {
        for (instances, is_truncated) in [
            (0, false),
            (1, false),
            (PAGE_SIZE, false),
            (2 * PAGE_SIZE + 1, false),
            (MAX_INSTANCES + 1, true),
        ] {
            let found = transitions(instances, record).await;
            assert_eq!(found.of.len(), instances.min(MAX_INSTANCES));
            assert_eq!(found.is_truncated, is_truncated, "{instances}");
        }
    }

    #[tokio::test]
    async fn a_record_of_an_instance_that_is_too_large_hides_no_other_instance() {
        let found = transitions(2 * PAGE_SIZE + 7, |number| {
            let mut record = record(number);
            if number == 1_234 {
                record["digest"] = "x".repeat(2 * LIMIT).into();
            }
            record
        });
        let found = found.await;
        assert_eq!(found.of.len(), 2 * PAGE_SIZE + 6);
        assert!(!found.is_truncated);
        let [large] = &found.unreadable[..] else {
            panic!("{:?}", found.unreadable);
        };
        assert_eq!((&*large.id, &*large.problem), ("r1234", TOO_LARGE));
    }
}
