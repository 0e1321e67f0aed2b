//! Builds the response to `_stats`, with the checkpoints and the document count of each copy.

use std::fmt::Write as _;

use crate::cluster::ClusterState;
use crate::document_write::{Fate, documents};
use crate::rest_responses::{closed, first_missing, forbidden, json, next_seq_no, not_found};
use crate::shard::Copy;
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

/// Returns the lowest `_seq_no` of the operations that a copy has applied and that were not
/// acknowledged.
fn first_unacknowledged(copy: &Copy) -> Option<u64> {
    let applied = copy.applied.values();
    let unacknowledged = applied.filter(|operation| operation.fate() != Fate::Acknowledged);
    unacknowledged.map(|operation| operation.seq_no).min()
}

/// Writes the statistics of each copy of a shard that a node can reach. Returns the number of the
/// shard's in-sync copies that the node cannot reach.
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
            .filter(|(position, copy)| copy.in_sync && !reached.contains(position))
            .count();
        if reached.is_empty() {
            continue;
        }
        if number > 0 && !body.ends_with('{') {
            body.push(',');
        }
        let _ = write!(body, r#""{number}":["#);
        for (nth, &position) in reached.iter().enumerate() {
            let copy = &shard.copies[position];
            let next = next_seq_no(shard, position);
            // The global checkpoint is the highest `_seq_no` up to which every in-sync copy has
            // applied all operations.
            let complete = (0..shard.copies.len())
                .filter(|&position| shard.copies[position].in_sync)
                .map(|position| first_missing(shard, position))
                .fold(first_missing(shard, position), u64::min);
            // A primary that is cut off cannot learn that other copies have applied its last
            // operations, so its global checkpoint does not include these operations.
            let complete = if world.cluster.nodes[node].cut_off.is_some() {
                complete.min(first_unacknowledged(copy).unwrap_or(complete))
            } else {
                complete
            };
            let _ = write!(
                body,
                r#"{}{{"routing":{{"primary":{},"node":"node-{}"}},"docs":{{"count":{}}},"commit":{{"user_data":{{"history_uuid":"{}"}}}},"seq_no":{{"max_seq_no":{},"global_checkpoint":{}}}}}"#,
                if nth > 0 { "," } else { "" },
                state.primaries[&index][number] == copy.node,
                copy.node,
                documents(&copy.visible).count(),
                of.history,
                i128::from(next) - 1,
                i128::from(complete) - 1,
            );
        }
        body.push(']');
    }
    failed
}
