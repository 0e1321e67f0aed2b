//! Sequences of events during which refreshers must keep their promises. Each sequence in this file
//! would hardly ever happen if each event were chosen at random, independently of the others. Some
//! simulated worlds repeat one rare sequence, with polls and other random events between the steps
//! of the sequence.

use fastrand::Rng;

use crate::cluster::CutOff;
use crate::document_generator::IDS;
use crate::shard::Shard;
use crate::world::World;
use crate::world_parameters::{Quirks, Shape};

/// A rare sequence of events, and the number of the step that happens next.
#[derive(Clone, Debug)]
pub(crate) struct RareSequence {
    pub(crate) kind: Kind,
    next: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Two primaries assign the same `_seq_no` to two writes of one document, and searches return
    /// the first write before another copy has it. After the first write, another copy becomes the
    /// primary and makes the second write; then the former primary becomes the primary again.
    /// Neither the statistics nor the sums of the `_seq_no`s show that a `_seq_no` was assigned
    /// twice.
    ReusedNumber,
    /// A node becomes the holder of the primary, and is then cut off together with the cluster
    /// manager. The former primary becomes the primary again and accepts writes, but refreshers can
    /// reach only the node that is cut off.
    TwoPrimaries,
    /// After a write, the replica is refreshed before the primary is, and then searches move from
    /// the replica to the primary. The role does not permit `_mget`, which would return the write
    /// even before a refresh.
    UnrefreshedPrimary,
}

impl RareSequence {
    const KINDS: [Kind; 3] = [
        Kind::ReusedNumber,
        Kind::TwoPrimaries,
        Kind::UnrefreshedPrimary,
    ];

    /// Chooses a rare sequence for one world in four. The sequence is drawn from a separate random
    /// generator, so that the draw does not change the rest of the world that the seed produces.
    pub(crate) fn random(seed: u64, all: &Shape) -> Option<Self> {
        let mut rng = Rng::with_seed(seed ^ 0x5e9_0e4c);
        let kind = *Self::KINDS.get(rng.usize(..4 * Self::KINDS.len()))?;
        all.sequences.then_some(Self { kind, next: 0 })
    }

    /// Changes the parameters of a world so that this rare sequence can occur in the world.
    pub(crate) fn adapt(&self, shape: &mut Shape, quirks: &mut Quirks) {
        shape.shards = 1;
        shape.nodes = shape.nodes.max(2);
        shape.copies = shape.copies.max(2);
        *quirks = Quirks::default();
        shape.cut_off = self.kind == Kind::TwoPrimaries;
        if self.kind == Kind::UnrefreshedPrimary {
            // Without `_mget`, a refresher accepts a possible step back after some refresh
            // intervals, so the copies must be refreshed on time.
            quirks.no_gets = true;
            shape.lag = false;
            shape.refreshes_on_time = true;
        }
    }
}

impl World {
    /// Applies the next step of the world's rare sequence. Returns false if the world has no
    /// sequence, or if another random event must happen before the next step of the sequence.
    pub(crate) fn continue_sequence(&mut self) -> bool {
        let Some(RareSequence { kind, next }) = self.sequence.clone() else {
            return false;
        };
        if self.rng.u8(..3) > 0 {
            return false;
        }
        let steps: &[fn(&mut Self)] = match kind {
            Kind::ReusedNumber => &[
                Self::write_on_the_primary,
                |world| world.fail_over_with_a_loss(Some(true)),
                Self::write_or_delete_at_once,
            ],
            Kind::TwoPrimaries => &[
                Self::move_a_primary,
                Self::cut_off_the_primary,
                Self::notice,
                Self::write_or_delete_at_once,
                Self::lose_the_other_nodes,
                Self::find_all_nodes,
            ],
            Kind::UnrefreshedPrimary => &[
                Self::write_before_the_primary_refreshes,
                Self::reroute,
                Self::settle,
            ],
        };
        steps[next](self);
        let next = (next + 1) % steps.len();
        self.sequence = Some(RareSequence { kind, next });
        true
    }

    /// Writes a document that searches on the primary return, and that no other copy has.
    fn write_on_the_primary(&mut self) {
        self.write_with(|shard| {
            let primary = shard.primary;
            for _ in 0..shard.copies[primary].pending.len() {
                shard.deliver(primary, |_| 0);
            }
            shard.copies[primary].refresh();
        });
    }

    fn write_or_delete_at_once(&mut self) {
        self.write_with(|_| {});
        self.settle();
    }

    /// Writes a document that searches return on the replicas, but not yet on the primary.
    fn write_before_the_primary_refreshes(&mut self) {
        self.write_with(|shard| {
            shard.deliver_all(|copy| copy.in_sync);
            let primary = shard.primary;
            for (position, copy) in shard.copies.iter_mut().enumerate() {
                if position != primary {
                    copy.refresh();
                }
            }
        });
    }

    /// Writes or deletes a random document on the only shard. The function `then` decides which
    /// copies apply the write.
    fn write_with(&mut self, then: impl FnOnce(&mut Shard)) {
        let Some(index) = self.writable() else { return };
        let primary = self.cluster.indices[index].shards[0].primary().node;
        if !self.cluster.is_well(primary) {
            return;
        }
        let id = IDS[self.rng.usize(..IDS.len())];
        let document = self.document(id);
        let deletes = document.is_none();
        let shard = &mut self.cluster.indices[index].shards[0];
        let seq_no = shard.next_seq_no;
        shard.write(id, document);
        then(shard);
        self.note(|| format!("a write of {id} as {seq_no} in a sequence (deletes: {deletes})"));
    }

    /// Cuts off the node with the primary, together with the elected cluster manager.
    fn cut_off_the_primary(&mut self) {
        let Some(index) = self.cluster.bound() else {
            return;
        };
        let nodes = 0..self.cluster.nodes.len();
        if !nodes.clone().all(|node| self.cluster.is_well(node)) {
            return;
        }
        let node = self.cluster.indices[index].shards[0].primary().node;
        let cut_off = CutOff::now(&self.cluster.current, true);
        self.cluster.nodes[node].cut_off = Some(cut_off);
        self.note(|| format!("node {node} is cut off with its primary and the manager"));
    }

    /// Takes down all nodes except the node that is cut off, so that refreshers can reach only this
    /// node.
    fn lose_the_other_nodes(&mut self) {
        let nodes = 0..self.cluster.nodes.len();
        let is_cut_off = |node: &usize| self.cluster.nodes[*node].cut_off.is_some();
        let Some(cut_off) = nodes.clone().find(is_cut_off) else {
            return;
        };
        for node in nodes.filter(|node| *node != cut_off) {
            self.lose(node);
        }
    }

    fn find_all_nodes(&mut self) {
        for node in 0..self.cluster.nodes.len() {
            if !self.cluster.is_well(node) {
                self.cluster.rejoin(node);
            }
        }
        self.note(|| "all nodes are back".to_owned());
    }
}
