//! Builds simulated worlds without random events, for tests of cases that are too rare in random
//! schedules.

use std::sync::Arc;

use crate::document_generator::Document;
use crate::shard::Shard;
use crate::simulated_transport::Wire;
use crate::world::World;
use crate::world_parameters::Shape;

/// Creates a simulated world with one shard, and with a copy of this shard on each of two nodes.
/// Returns `None` if the world of this seed has only one copy.
pub(crate) fn two_nodes(seed: u64) -> Option<Wire> {
    let shape = Shape {
        nodes: 2,
        copies: 2,
        shards: 1,
        lag: false,
        cut_off: false,
        moves: false,
        quirks: false,
        faults: false,
        pages: false,
        sequences: false,
        ..Shape::all()
    };
    let mut world = World::new(seed, &shape, false);
    world.lively = false;
    let copies = world.cluster.indices[0].shards[0].copies.len();
    (copies == 2).then(|| Wire::new(world, None))
}

/// Applies a function to the only shard of the world.
pub(crate) fn with_shard<T>(wire: &Wire, change: impl FnOnce(&mut Shard) -> T) -> T {
    change(&mut wire.world().cluster.indices[0].shards[0])
}

/// Writes a document, and then calls the function `then` with the shard. The test decides in the
/// function `then` which copies apply the write.
pub(crate) fn write(wire: &Wire, id: &'static str, then: impl FnOnce(&mut Shard)) {
    let document = {
        let mut world = wire.world();
        let now = world.now();
        Arc::new(Document::random(&mut world.rng, id, now))
    };
    with_shard(wire, |shard| {
        shard.write(id, Some(document));
        then(shard);
    });
}

/// Makes the replica the new primary, as in a failover that loses no operation.
pub(crate) fn hand_over(wire: &Wire) {
    with_shard(wire, Shard::promote);
    let mut world = wire.world();
    world.cluster.change(|_| {});
    world.settle();
}
