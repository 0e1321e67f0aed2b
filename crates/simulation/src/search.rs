//! Executes searches on the simulated shards, and opens and closes points in time.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;

use crate::cluster::PointInTime;
use crate::document_generator::Document;
use crate::document_write::{Operation, State, documents};
use crate::rest_responses::{
    body, closed, forbidden, json, no_shard, parameter, preferred, refusal,
};
use crate::world::World;
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
    sums: Option<String>,
    sorted: bool,
    point_in_time: Option<String>,
}

pub(crate) fn live(world: &mut World, node: usize, index: usize, request: &Request) -> Response {
    let preference = parameter(request, "preference");
    if preference == Some("_primary") && world.quirks.no_primary {
        return forbidden();
    }
    match views(world, node, index, preference) {
        Some((views, _)) => search(world, index, &views, &body(request)),
        None => no_shard(),
    }
}

/// For each shard, returns the view on the copy that the preference selects, and the node of this
/// copy. Returns `None` if a shard is unreachable.
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
    world.history.show(index, uuid, &views);
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
    // If an index is deleted, its points in time are lost, too.
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
    search(world, index, &views, &body)
}

fn search(world: &mut World, index: usize, views: &[Arc<State>], body: &Value) -> Response {
    let after = &body["query"]["range"]["_seq_no"]["gt"];
    let quirks = &world.quirks;
    let sums = body.get("aggs").is_some();
    if quirks.range_refused && !after.is_null() || quirks.sums_refused && sums {
        let name = "search_phase_execution_exception";
        return refusal(400, name, "all shards failed");
    }
    let nothing = quirks.range_finds_nothing && !after.is_null();
    let mut hits: Vec<_> = views
        .iter()
        .enumerate()
        .flat_map(|(shard, state)| documents(state).map(move |(o, d)| (shard, o, d)))
        .filter(|(_, o, _)| quirks.hidden != Some(o.id))
        .filter(|(_, o, _)| !nothing && after.as_u64().is_none_or(|after| o.seq_no > after))
        .collect();
    let total = hits.len();
    let sorted = body.get("sort").is_some();
    if sorted {
        hits.sort_by_key(|(shard, o, _)| (o.seq_no, *shard));
        if let Some(last) = body["search_after"][0].as_u64() {
            // Documents with equal `_seq_no`s are ordered by shard.
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
        sums: (sums && !quirks.no_sums).then(|| sum(views, quirks.hidden)),
        sorted,
        point_in_time: body["pit"]["id"].as_str().map(str::to_owned),
    };
    let several = world.cluster.indices[index].shards.len() > 1;
    let found = world.remove_a_part(found);
    json(200, found.write(several))
}

/// Returns the aggregations over all documents in the views of the shards, as JSON.
fn sum(views: &[Arc<State>], hidden: Option<&str>) -> String {
    let mut count = 0;
    let mut max = None;
    let mut sum = 0;
    let mut updated = None;
    let all = views.iter().flat_map(|state| documents(state));
    for (operation, document) in all.filter(|(operation, _)| hidden != Some(operation.id)) {
        count += 1;
        sum += operation.seq_no;
        max = max.max(Some(operation.seq_no));
        updated = updated.max(document.updated_at);
    }
    let number = |number: Option<i64>| match number {
        Some(number) => format!("{number}.0"),
        None => "null".to_owned(),
    };
    let max = number(max.and_then(|max| i64::try_from(max).ok()));
    let updated = number(updated.map(jiff::Timestamp::as_millisecond));
    format!(
        r#""aggregations":{{"all":{{"seq":{{"count":{count},"max":{max},"sum":{sum}.0}},"updated":{{"value":{updated}}}}}}}"#
    )
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
        if let Some(sums) = &self.sums {
            body.push(',');
            body.push_str(sums);
        }
        body.push('}');
        body
    }
}
