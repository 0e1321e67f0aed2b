//! Tests an index that is restored in place. After the restore, a `_seq_no` can belong to another
//! version of a document than before the restore.

use std::sync::Arc;

use crate::document_generator::Document;
use crate::document_write::{Fate, Operation};
use crate::promise_checks::ObservedRefresher;
use crate::schedule_runner::{poll, refresher, runtime};
use crate::simulated_transport::Wire;
use crate::world_without_random_events::{two_nodes, write};

/// Returns a refresher that has published one directive and has rejected no document. Returns
/// `None` if the seed generates a document that the test cannot use.
async fn follower_of_a_directive(seed: u64) -> Option<(Wire, ObservedRefresher)> {
    let wire = two_nodes(seed)?;
    let mut observed = refresher(&wire, 0, None);
    write(&wire, "a", |shard| shard.deliver_all(|_| true));
    wire.world().settle();
    poll(&wire, &mut observed, 0).await.ok()?;
    let published = observed.published();
    let has_one = observed.has_all(&wire.world())
        && published.set().len() == 1
        && published.rejections().is_empty();
    has_one.then_some((wire, observed))
}

/// Restores a snapshot in which the document `a` is malformed, but has the same `_seq_no` and
/// primary term as before the restore.
fn restore_malformed(wire: &Wire) {
    let mut world = wire.world();
    let index = world.cluster.bound().unwrap();
    let mut stored = world.cluster.indices[index].store();
    let (state, _) = &mut stored.shards[0];
    let state = Arc::make_mut(state);
    let before = Arc::clone(&state["a"]);
    let malformed = Some(Arc::new(Document::malformed()));
    let operation = Operation::new("a", before.seq_no, before.term, malformed);
    operation.set_fate(Fate::Acknowledged);
    state.insert("a", operation);
    world.restore_into(index, &stored).unwrap();
    world.settle();
}

/// A refresher concludes that the role hides fields if it rejects a document that it accepted
/// before with the same `_seq_no`. After a restore, which changes the history uuid of the index,
/// the refresher must not conclude from a rejected document that fields are hidden.
#[test]
fn p11_a_malformed_document_of_a_restored_index_does_not_count_as_hidden_fields() {
    let runtime = runtime();
    let mut worlds = 0;
    for seed in 1..=400 {
        runtime.block_on(async {
            let Some((wire, mut observed)) = follower_of_a_directive(seed).await else {
                return;
            };
            worlds += 1;
            restore_malformed(&wire);
            for _ in 0..3 {
                poll(&wire, &mut observed, 0).await.unwrap();
            }
            assert!(observed.has_all(&wire.world()), "seed {seed}");
            assert_eq!(observed.published().rejections().len(), 1, "seed {seed}");
        });
    }
    assert!(worlds > 10, "{worlds}");
}
