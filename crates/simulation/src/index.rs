//! Models a concrete index (not an alias) with its uuid, its history uuid and its shards. The
//! module also models snapshots of an index.

use std::sync::Arc;

use crate::document_write::{Operation, State};
use crate::shard::{Copy, Shard};

/// A snapshot of an index: the state and the next `_seq_no` of each shard.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) shards: Vec<(Arc<State>, u64)>,
}

/// One concrete index with its uuid and its history uuid.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) history: String,
    pub(crate) refresh_interval: Option<&'static str>,
    pub(crate) shards: Vec<Shard>,
}

impl Index {
    /// Returns the number of the shard that stores a document.
    pub(crate) fn shard_of(&self, id: &str) -> usize {
        usize::from(id.bytes().next().unwrap_or_default()) % self.shards.len()
    }

    /// Returns the first deletion of a document that happened after the given operation on this
    /// document.
    pub(crate) fn deletion_after(&self, operation: &Operation) -> Option<&Arc<Operation>> {
        let shard = &self.shards[self.shard_of(operation.id)];
        let later =
            |other: &&Arc<Operation>| other.id == operation.id && other.seq_no > operation.seq_no;
        shard
            .deletions
            .iter()
            .filter(later)
            .min_by_key(|o| o.seq_no)
    }

    pub(crate) fn store(&self) -> Stored {
        let of = |shard: &Shard| {
            let state = &shard.primary().applied;
            let next = state.values().map(|operation| operation.seq_no + 1).max();
            (Arc::clone(state), next.unwrap_or(0))
        };
        Stored {
            shards: self.shards.iter().map(of).collect(),
        }
    }

    pub(crate) fn copies_mut(&mut self) -> impl Iterator<Item = &mut Copy> {
        self.shards
            .iter_mut()
            .flat_map(|shard| shard.copies.iter_mut())
    }
}
