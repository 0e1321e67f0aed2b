//! Builds the response to `_stats`: the checkpoints and the document count of each copy.

use std::fmt::Write as _;

use crate::cluster::ClusterState;
use crate::operation::documents;
use crate::rest_responses::{closed, complete, forbidden, given, json, not_found};
use crate::world::World;
use opensearch_directives::internal::Response;

pub(crate) fn stats(
    world: &World,
    node: usize,
    state: &ClusterState,
    indices: &[usize],
) -> Response {
    if world.quirks.no_stats {
        return forbidden();
    }
    if indices.is_empty() {
        return not_found();
    }
    if indices.iter().any(|index| state.closed.contains(index)) {
        return closed();
    }
    let mut failed = 0;
    let mut body = String::new();
    for &index in indices {
        let comma = if body.is_empty() { "" } else { "," };
        let of = &world.cluster.indices[index];
        let _ = write!(
            body,
            r#"{comma}"{}":{{"uuid":"{}","shards":{{"#,
            of.name, of.uuid
        );
        failed += shard_stats(world, node, state, index, &mut body);
        body.push_str("}}");
    }
    json(
        200,
        format!(r#"{{"_shards":{{"failed":{failed}}},"indices":{{{body}}}}}"#),
    )
}

/// Writes the statistics of each shard of an index that a node can reach. Returns the number of
/// in-sync copies that it cannot reach.
fn shard_stats(
    world: &World,
    node: usize,
    state: &ClusterState,
    index: usize,
    body: &mut String,
) -> usize {
    let of = &world.cluster.indices[index];
    let mut failed = 0;
    for (number, shard) in of.shards.iter().enumerate() {
        let reached = world.cluster.reached(node, index, number);
        failed += shard
            .copies
            .iter()
            .enumerate()
            .filter(|(place, copy)| copy.in_sync && !reached.contains(place))
            .count();
        if reached.is_empty() {
            continue;
        }
        if number > 0 && !body.ends_with('{') {
            body.push(',');
        }
        let _ = write!(body, r#""{number}":["#);
        for (nth, &place) in reached.iter().enumerate() {
            let copy = &shard.copies[place];
            let given = given(shard, place);
            // The global checkpoint: every in-sync copy holds the operations up to it.
            let complete = (0..shard.copies.len())
                .filter(|&place| shard.copies[place].in_sync)
                .map(|place| complete(shard, place))
                .fold(complete(shard, place), u64::min);
            let _ = write!(
                body,
                r#"{}{{"routing":{{"primary":{},"node":"node-{}"}},"docs":{{"count":{}}},"commit":{{"user_data":{{"history_uuid":"{}"}}}},"seq_no":{{"max_seq_no":{},"global_checkpoint":{}}}}}"#,
                if nth > 0 { "," } else { "" },
                state.primaries[&index][number] == copy.node,
                copy.node,
                documents(&copy.visible).count(),
                of.history,
                i128::from(given) - 1,
                i128::from(complete) - 1,
            );
        }
        body.push(']');
    }
    failed
}
