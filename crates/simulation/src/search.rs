//! Executes searches on the simulated shards, and opens and closes points in time.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;

use crate::cluster::PointInTime;
use crate::document_generator::Document;
use crate::document_write::{Operation, State, documents};
use crate::histogram::{MAX_BUCKETS, histogram, selects};
use crate::rest_responses::{
    body, closed, forbidden, json, no_shard, parameter, preferred, refusal,
};
use crate::world::World;
use crate::world_parameters::Quirks;
use opensearch_directives::internal::{Request, Response};

/// A document in the result of a search.
#[derive(Debug)]
pub(crate) struct Hit {
    pub(crate) shard: usize,
    seq_no: u64,
    term: u64,
    id: &'static str,
    source: String,
}

impl Hit {
    fn new(shard: usize, operation: &Operation, document: &Document) -> Self {
        Self {
            shard,
            seq_no: operation.seq_no,
            term: operation.term,
            id: operation.id,
            source: document.source.clone(),
        }
    }
}

/// The result of a search, before it is encoded as JSON.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) timed_out: bool,
    pub(crate) shards: usize,
    pub(crate) failed: usize,
    pub(crate) total: usize,
    pub(crate) relation: &'static str,
    pub(crate) hits: Vec<Hit>,
    aggregations: Option<String>,
    sorted: bool,
    point_in_time: Option<String>,
}

pub(crate) fn live(world: &mut World, node: usize, index: usize, request: &Request) -> Response {
    let preference = parameter(request, "preference");
    if preference == Some("_primary") && world.quirks.no_primary {
        return forbidden();
    }
    match views(world, node, index, preference) {
        Some((views, _)) => search(world, index, &views, request, &body(request)),
        None => no_shard(),
    }
}

/// Returns a view of each shard, with the node that holds this view. The preference of a search
/// selects the copy of each shard that serves the search. Returns `None` if a shard is unreachable.
fn views(
    world: &mut World,
    node: usize,
    index: usize,
    preference: Option<&str>,
) -> Option<(Vec<Arc<State>>, Vec<usize>)> {
    let shards = &world.cluster.indices[index].shards;
    let primaries = &world.cluster.state_of(node).primaries;
    let views: Option<Vec<(Arc<State>, usize)>> = (0..shards.len())
        .map(|shard| {
            let reached = world.cluster.reached(node, index, shard);
            let copy = if preference == Some("_primary") {
                let primary = primaries.get(&index)?[shard];
                let copies = &shards[shard].copies;
                *reached.iter().find(|&&copy| copies[copy].node == primary)?
            } else {
                preferred(&reached, preference, (shard, world.cluster.routing))?
            };
            let copy = &shards[shard].copies[copy];
            Some((Arc::clone(&copy.visible), copy.node))
        })
        .collect();
    let (views, nodes): (Vec<_>, Vec<_>) = views?.into_iter().unzip();
    let uuid = &world.cluster.indices[index].uuid;
    world.seen_views.show(index, uuid, &views);
    Some((views, nodes))
}

pub(crate) fn open(world: &mut World, node: usize, index: usize, request: &Request) -> Response {
    if let Some(status) = world.quirks.no_point_in_time {
        let reason = "contains unrecognized parameter";
        return refusal(status, "illegal_argument_exception", reason);
    }
    if world.cluster.state_of(node).closed.contains(&index) {
        return closed();
    }
    let preference = parameter(request, "preference");
    let Some((views, nodes)) = views(world, node, index, preference) else {
        return no_shard();
    };
    world.cluster.opened += 1;
    let id = format!("pit-{}", world.cluster.opened);
    let point = PointInTime {
        index,
        views,
        nodes,
    };
    world.cluster.points_in_time.insert(id.clone(), point);
    json(200, format!(r#"{{"pit_id":"{id}"}}"#))
}

pub(crate) fn close(world: &mut World, request: &Request) -> Response {
    let body = body(request);
    let id = body["pit_id"][0].as_str().unwrap_or_default();
    match world.cluster.points_in_time.remove(id) {
        Some(_) => json(200, r#"{"pits":[{"successful":true}]}"#),
        None => refusal(404, "search_context_missing_exception", "no such context"),
    }
}

pub(crate) fn in_a_point_in_time(world: &mut World, node: usize, request: &Request) -> Response {
    let body = body(request);
    let id = body["pit"]["id"].as_str().unwrap_or_default();
    let cluster = &world.cluster;
    let state = cluster.state_of(node);
    // When an index is deleted or closed, its points in time end.
    let known = cluster
        .points_in_time
        .get(id)
        .filter(|point| state.alive.contains(&point.index) && !state.closed.contains(&point.index));
    let Some(PointInTime {
        index,
        views,
        nodes,
    }) = known
    else {
        return refusal(404, "search_phase_execution_exception", "all shards failed");
    };
    if !nodes.iter().all(|&other| cluster.reaches(node, other)) {
        return no_shard();
    }
    let (index, views) = (*index, views.clone());
    search(world, index, &views, request, &body)
}

fn search(
    world: &mut World,
    index: usize,
    views: &[Arc<State>],
    request: &Request,
    body: &Value,
) -> Response {
    let query = &body["query"];
    let quirks = &world.quirks;
    let sums = body.get("aggs").is_some();
    if quirks.range_refused && !query.is_null() || quirks.refuses(&body["aggs"]) {
        let name = "search_phase_execution_exception";
        return refusal(400, name, "all shards failed");
    }
    let nothing = quirks.range_finds_nothing && !query.is_null();
    let mut hits: Vec<_> = views
        .iter()
        .enumerate()
        .flat_map(|(shard, state)| documents(state).map(move |(o, d)| (shard, o, d)))
        .filter(|(_, o, _)| quirks.hidden != Some(o.id))
        .filter(|(_, o, _)| !nothing && selects(query, o.seq_no))
        .collect();
    let total = hits.len();
    let selected = hits.iter().map(|(_, o, _)| o.seq_no).collect();
    let filter_path = parameter(request, "filter_path").unwrap_or_default();
    let Some(aggregations) = aggregate(&body["aggs"], views, selected, quirks, filter_path) else {
        return refusal(503, "too_many_buckets_exception", "too many buckets");
    };
    let sorted = body.get("sort").is_some();
    if sorted {
        hits.sort_by_key(|(shard, o, _)| (o.seq_no, *shard));
        if let Some(last) = body["search_after"][0].as_u64() {
            // If documents of several shards have equal `_seq_no`s, they are ordered by shard.
            let last = (last, body["search_after"][1].as_u64().unwrap_or(u64::MAX));
            hits.retain(|(shard, o, _)| (o.seq_no, *shard as u64) > last);
        }
    }
    let size = body["size"].as_u64().unwrap_or(10);
    let found = Found {
        timed_out: false,
        shards: views.len(),
        failed: 0,
        total,
        relation: "eq",
        hits: hits
            .into_iter()
            .take(usize::try_from(size).unwrap_or(usize::MAX))
            .map(|(shard, operation, document)| Hit::new(shard, operation, document))
            .collect(),
        aggregations: (sums && !quirks.no_sums).then_some(aggregations),
        sorted,
        point_in_time: body["pit"]["id"].as_str().map(str::to_owned),
    };
    let several = world.cluster.indices[index].shards.len() > 1;
    let found = world.remove_a_part(found);
    json(200, found.write(several))
}

/// Returns the results of the aggregations: those under `all` cover every document of the views,
/// and the others cover only the documents with the selected `_seq_no`s. Returns `None` if a
/// histogram has more buckets than the server permits.
fn aggregate(
    aggregations: &Value,
    views: &[Arc<State>],
    selected: Vec<u64>,
    quirks: &Quirks,
    filter_path: &str,
) -> Option<String> {
    let max_buckets = quirks.max_buckets.unwrap_or(MAX_BUCKETS);
    let all = views.iter().flat_map(|state| documents(state));
    let all: Vec<_> = all.filter(|(o, _)| quirks.hidden != Some(o.id)).collect();
    let numbers = all.iter().map(|(operation, _)| operation.seq_no);
    let number = |number: Option<i64>| match number {
        Some(number) => Cow::Owned(format!("{number}.0")),
        None => Cow::Borrowed("null"),
    };
    let mut of_all = Vec::new();
    let requested = &aggregations["all"]["aggs"];
    if requested.get("seq").is_some() {
        let (count, sum) = (all.len(), numbers.clone().sum::<u64>());
        let max = number(
            numbers
                .clone()
                .max()
                .and_then(|max| i64::try_from(max).ok()),
        );
        of_all.push(format!(
            r#""seq":{{"count":{count},"max":{max},"sum":{sum}.0}}"#
        ));
        let updated = all.iter().filter_map(|(_, document)| document.updated_at);
        let updated = number(updated.max().map(jiff::Timestamp::as_millisecond));
        of_all.push(format!(r#""updated":{{"value":{updated}}}"#));
    }
    if requested.get("newest").is_some() {
        let newest = all.iter().max_by_key(|(operation, _)| operation.seq_no);
        let hit = newest.map(|(newest, _)| format!(r#"{{"_primary_term":{}}}"#, newest.term));
        let hits = hit.unwrap_or_default();
        of_all.push(format!(r#""newest":{{"hits":{{"hits":[{hits}]}}}}"#));
    }
    if let Some(of_numbers) = requested.get("h") {
        let of_numbers = histogram(of_numbers, numbers, filter_path, max_buckets)?;
        of_all.push(format!(r#""h":{of_numbers}"#));
    }
    let mut parts = Vec::new();
    if !of_all.is_empty() {
        parts.push(format!(r#""all":{{{}}}"#, of_all.join(",")));
    }
    if let Some(of_numbers) = aggregations.get("h") {
        let of_selected = histogram(of_numbers, selected.into_iter(), filter_path, max_buckets)?;
        parts.push(format!(r#""h":{of_selected}"#));
    }
    Some(format!(r#""aggregations":{{{}}}"#, parts.join(",")))
}

impl Found {
    fn write(&self, several: bool) -> String {
        let mut body = String::with_capacity(512);
        body.push('{');
        if let Some(id) = &self.point_in_time {
            let _ = write!(body, r#""pit_id":"{id}","#);
        }
        let _ = write!(
            body,
            r#""timed_out":{},"_shards":{{"total":{},"successful":{},"failed":{}}},"hits":{{"total":{{"value":{},"relation":"{}"}}"#,
            self.timed_out,
            self.shards,
            self.shards - self.failed,
            self.failed,
            self.total,
            self.relation,
        );
        for (nth, hit) in self.hits.iter().enumerate() {
            let Hit {
                shard,
                seq_no,
                term,
                id,
                source,
            } = hit;
            body.push_str(if nth == 0 { r#","hits":["# } else { "," });
            let _ = write!(
                body,
                r#"{{"_id":"{id}","_seq_no":{seq_no},"_primary_term":{term},"_source":{source}"#
            );
            if self.sorted {
                let _ = if several {
                    write!(body, r#","sort":[{seq_no},{shard}]"#)
                } else {
                    write!(body, r#","sort":[{seq_no}]"#)
                };
            }
            body.push('}');
        }
        if !self.hits.is_empty() {
            body.push(']');
        }
        body.push('}');
        if let Some(aggregations) = &self.aggregations {
            body.push(',');
            body.push_str(aggregations);
        }
        body.push('}');
        body
    }
}
