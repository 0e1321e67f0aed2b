//! Builds the responses of the simulated cluster in the format of OpenSearch.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::{CLUSTER_UUID, ClusterState, CutOff, NAME};
use crate::search;
use crate::shard::Shard;
use crate::stats_response;
use crate::world::World;
use opensearch_directives::internal::{Method, Request, RequestFailure, Response};

/// A response with its status, or the failure of a request that received no response.
pub(crate) type ResponseResult = Result<Response, RequestFailure>;

pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Response {
    Response {
        status,
        retry_after: None,
        content_type: Some("application/json; charset=UTF-8".to_owned()),
        body: body.into(),
    }
}

/// Creates an error response in OpenSearch's format.
pub(crate) fn refusal(status: u16, name: &str, reason: &str) -> Response {
    json(
        status,
        format!(
            r#"{{"error":{{"root_cause":[{{"type":"{name}","reason":"{reason}"}}],"type":"{name}","reason":"{reason}"}},"status":{status}}}"#
        ),
    )
}

pub(crate) fn forbidden() -> Response {
    refusal(403, "security_exception", "no permissions for this")
}

pub(crate) fn not_found() -> Response {
    refusal(404, "index_not_found_exception", "no such index")
}

pub(crate) fn closed() -> Response {
    refusal(400, "index_closed_exception", "closed")
}

fn no_manager() -> Response {
    let name = "cluster_manager_not_discovered_exception";
    refusal(503, name, "no cluster manager")
}

pub(crate) fn no_shard() -> Response {
    refusal(503, "search_phase_execution_exception", "all shards failed")
}

/// Returns the value of the query parameter `name`, or `None` if the request does not have it.
pub(crate) fn parameter<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let mut query = request.query.iter();
    let found = query.find(|(key, _)| *key == name)?;
    Some(found.1.as_str())
}

/// Returns the indices to which an index name or alias in a request path refers.
fn resolve(world: &World, state: &ClusterState, name: &str) -> Vec<usize> {
    if name == NAME {
        return state.bound.clone();
    }
    let named = |&&index: &&usize| world.cluster.indices[index].name == name;
    state.alive.iter().filter(named).copied().collect()
}

/// Returns the response of one simulated node to a request, as OpenSearch would respond.
pub(crate) fn respond(world: &mut World, node: usize, request: &Request) -> ResponseResult {
    if !world.cluster.nodes[node].up {
        return Err(RequestFailure::Connection("connection refused".into()));
    }
    let path = request.path.trim_start_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    Ok(match (request.method, first, rest) {
        (Method::Get, "_cluster", "state/version") => cluster_state(world, node),
        (Method::Get, "_nodes", "_local/stats/breaker") => node_stats(world, node),
        (Method::Post, "_search", "") => search::in_a_point_in_time(world, node, request),
        (Method::Delete, "_search", "point_in_time") => search::close(world, request),
        (_, name, rest) => {
            let state = std::sync::Arc::clone(world.cluster.state_of(node));
            let indices = resolve(world, &state, name);
            match (request.method, rest) {
                (Method::Get, rest) if rest.starts_with("_settings") => {
                    settings(world, node, &indices)
                }
                (Method::Get, "_mapping") => mapping(world, &indices),
                (Method::Get, "_stats/docs") => {
                    stats_response::stats(world, node, &state, &indices)
                }
                (Method::Post, "_mget") => gets(world, node, &state, &indices, request),
                (Method::Post, "_search") => {
                    let open = |index: &usize| !state.closed.contains(index);
                    match indices[..] {
                        [] => not_found(),
                        [index] if open(&index) => search::live(world, node, index, request),
                        _ => closed(),
                    }
                }
                (Method::Post, "_search/point_in_time") => match indices[..] {
                    [index] => search::open(world, node, index, request),
                    _ => not_found(),
                },
                _ => panic!("the model does not know {}", request.operation()),
            }
        }
    })
}

/// Returns true if a node can serve requests for which it must reach the elected manager.
fn has_manager(world: &World, node: usize) -> bool {
    let cut_off = world.cluster.nodes[node].cut_off.as_ref();
    cut_off.is_none_or(CutOff::has_manager)
}

fn cluster_state(world: &World, node: usize) -> Response {
    if world.quirks.no_cluster_state {
        return forbidden();
    }
    if !has_manager(world, node) {
        return no_manager();
    }
    let version = world.cluster.state_of(node).version;
    json(
        200,
        format!(r#"{{"cluster_uuid":"{CLUSTER_UUID}","version":{version}}}"#),
    )
}

fn node_stats(world: &World, node: usize) -> Response {
    if world.quirks.no_node_stats {
        return forbidden();
    }
    let now = world.now().as_millisecond();
    json(
        200,
        format!(r#"{{"nodes":{{"node-{node}":{{"timestamp":{now}}}}}}}"#),
    )
}

fn settings(world: &World, node: usize, indices: &[usize]) -> Response {
    if !has_manager(world, node) {
        return no_manager();
    }
    if indices.is_empty() {
        return not_found();
    }
    let mut body = String::from("{");
    for &index in indices {
        let index = &world.cluster.indices[index];
        let _ = write!(
            body,
            r#"{}"{}":{{"settings":{{"index.uuid":"{}","index.number_of_shards":"{}""#,
            if body.len() > 1 { "," } else { "" },
            index.name,
            index.uuid,
            index.shards.len(),
        );
        if let Some(interval) = index.refresh_interval {
            let _ = write!(body, r#","index.refresh_interval":"{interval}""#);
        }
        body.push_str("}}");
    }
    body.push('}');
    json(200, body)
}

/// Returns a mapping without a version for each index. From a mapping without a version in `_meta`,
/// a refresher cannot conclude that a field is hidden.
fn mapping(world: &World, indices: &[usize]) -> Response {
    let names = indices
        .iter()
        .map(|&index| &world.cluster.indices[index].name);
    let of_each: Vec<_> = names
        .map(|name| format!(r#""{name}":{{"mappings":{{}}}}"#))
        .collect();
    json(200, format!("{{{}}}", of_each.join(",")))
}

/// Returns one more than the highest `_seq_no` that the copy has assigned (on the primary) or
/// applied (on a replica).
pub(crate) fn next_seq_no(shard: &Shard, position: usize) -> u64 {
    if position == shard.primary {
        return shard.next_seq_no;
    }
    let applied = shard.copies[position].applied.values();
    applied.map(|o| o.seq_no + 1).max().unwrap_or(0)
}

/// Returns the lowest `_seq_no` that a copy has not applied.
pub(crate) fn first_missing(shard: &Shard, position: usize) -> u64 {
    let missing = shard.copies[position]
        .pending
        .iter()
        .map(|o| o.seq_no)
        .min();
    let next = next_seq_no(shard, position);
    missing.map_or(next, |missing| missing.min(next))
}

fn gets(
    world: &mut World,
    node: usize,
    state: &ClusterState,
    indices: &[usize],
    request: &Request,
) -> Response {
    #[derive(Deserialize)]
    struct Body {
        ids: Vec<String>,
    }
    if world.quirks.no_gets {
        return forbidden();
    }
    let of_the_primary = parameter(request, "preference") == Some("_primary");
    if of_the_primary && world.quirks.no_primary {
        return forbidden();
    }
    let Body { ids } = serde_json::from_slice(request.body.as_deref().unwrap_or_default()).unwrap();
    let mut body = String::from(r#"{"docs":["#);
    for (nth, id) in ids.iter().enumerate() {
        let comma = if nth > 0 { "," } else { "" };
        let _ = write!(body, r#"{comma}{{"_id":"{id}""#);
        if world.quirks.no_items {
            body.push_str(r#","error":{"type":"security_exception"}}"#);
            continue;
        }
        let copy = match indices {
            &[index] if !state.closed.contains(&index) => {
                copy_for_a_get(world, node, state, index, id, of_the_primary)
            }
            _ => None,
        };
        // If no copy is available, a real server returns only the field `error`, and the
        // `filter_path` of the request removes this field, so the response contains only the id.
        if let Some((index, shard, copy)) = copy {
            let applied = &world.cluster.indices[index].shards[shard].copies[copy].applied;
            let found = applied
                .get(id.as_str())
                .filter(|operation| world.quirks.hidden != Some(operation.id));
            let _ = match found.filter(|operation| operation.document.is_some()) {
                Some(operation) => write!(body, r#","_seq_no":{},"found":true"#, operation.seq_no),
                None => write!(body, r#","found":false"#),
            };
        }
        body.push('}');
    }
    body.push_str("]}");
    json(200, body)
}

/// Returns the copy that serves a get by id. The copy is described by three positions: of the
/// index, of the shard, and of the copy.
fn copy_for_a_get(
    world: &mut World,
    node: usize,
    state: &ClusterState,
    index: usize,
    id: &str,
    of_the_primary: bool,
) -> Option<(usize, usize, usize)> {
    let shard = world.cluster.indices[index].shard_of(id);
    let mut reached = world.cluster.reached(node, index, shard);
    if of_the_primary {
        let primary = state.primaries.get(&index)?[shard];
        let copies = &world.cluster.indices[index].shards[shard].copies;
        reached.retain(|&copy| copies[copy].node == primary);
    }
    let copy = *world.rng.choice(&reached)?;
    Some((index, shard, copy))
}

/// Returns the position of the copy that serves a search with the given preference, among the
/// copies that the node can reach.
pub(crate) fn preferred(
    reached: &[usize],
    preference: Option<&str>,
    routing: (usize, u64),
) -> Option<usize> {
    let mut hasher = DefaultHasher::new();
    (preference, routing).hash(&mut hasher);
    let position = usize::try_from(hasher.finish() % (reached.len().max(1) as u64)).ok()?;
    reached.get(position).copied()
}

/// Decodes the body of a request as JSON; an absent body counts as an empty object.
pub(crate) fn body(request: &Request) -> Value {
    serde_json::from_slice(request.body.as_deref().unwrap_or(b"{}")).unwrap()
}
