//! The random events that concern a whole index. The cluster takes or restores a snapshot, closes,
//! opens or replaces the index, or lets the configured name refer to another index.

use std::sync::Arc;

use crate::document_generator::Document;
use crate::document_write::{Operation, State};
use crate::index::Stored;
use crate::world::World;

impl World {
    pub(crate) fn store(&mut self) {
        let Some(index) = self.cluster.bound() else {
            return;
        };
        let stored = self.cluster.indices[index].store();
        self.cluster.stored.push((index, stored));
        self.note(|| format!("store index {index}"));
    }

    pub(crate) fn restore(&mut self) {
        let Some(index) = self.cluster.bound() else {
            return;
        };
        let count = self.cluster.stored.len();
        // Only the history uuid in the index statistics shows that an index was restored in place.
        let is_visible =
            !self.quirks.no_stats && (!self.shape.cut_off || self.shape.one_name_twice);
        if !self.shape.moves || !is_visible || count == 0 {
            return;
        }
        let (from, stored) = self.cluster.stored[self.rng.usize(..count)].clone();
        if let Some(new) = self.restore_into(index, &stored) {
            self.note(|| format!("restore index {from} into {index}, now {new}"));
        }
    }

    /// Restores a snapshot into an index, and makes the configured name refer to the restored
    /// index. Returns `None` if no node is available for the restored index.
    pub(crate) fn restore_into(&mut self, index: usize, stored: &Stored) -> Option<usize> {
        let new = self.cluster.restore(index, stored)?;
        self.cluster.change(|state| {
            state.alive.retain(|&other| other != index);
            state.alive.push(new);
            state.closed.retain(|&other| other != index);
            state.bound = vec![new];
        });
        Some(new)
    }

    pub(crate) fn close_or_open(&mut self) {
        let Some(index) = self.cluster.bound() else {
            return;
        };
        if !self.shape.moves {
            return;
        }
        let closed = self.cluster.is_closed(index);
        if closed {
            self.cluster.indices[index]
                .copies_mut()
                .for_each(crate::shard::Copy::refresh);
        }
        self.cluster.change(|state| {
            state.closed.retain(|&other| other != index);
            if !closed {
                state.closed.push(index);
            }
        });
        self.note(|| format!("index {index} is closed: {}", !closed));
    }

    pub(crate) fn create_index(&mut self) -> Option<usize> {
        let shards = self.shape.shards;
        let content: Vec<_> = (0..shards).map(|_| (Arc::default(), 0)).collect();
        let interval = [Some("1s"), None, Some("500ms")][self.rng.usize(..3)];
        let interval = interval.or(self.shape.refreshes_on_time.then_some("1s"));
        let new = self.cluster.create(interval, self.shape.copies, &content)?;
        self.bind(new);
        Some(new)
    }

    pub(crate) fn bind(&mut self, index: usize) {
        let is_alias = self.cluster.is_alias();
        self.cluster.change(|state| {
            if !is_alias {
                state.alive.clear();
                state.closed.clear();
            }
            if !state.alive.contains(&index) {
                state.alive.push(index);
            }
            state.bound = vec![index];
        });
        self.note(|| format!("the name refers to index {index}"));
    }

    /// Creates a new index, and makes the configured name refer to it instead of the former index.
    /// If `alike` is true, the documents of the new index have the ids and `_seq_no`s of the
    /// documents in the former index, but different content. If `alike` is false, the new index is
    /// empty.
    pub(crate) fn replace_index(&mut self, alike: bool) {
        if !self.shape.moves {
            return;
        }
        let before = self.cluster.bound();
        match before.filter(|_| alike) {
            None => {
                self.create_index();
            }
            Some(before) => {
                let stored = self.cluster.indices[before].store();
                let content: Vec<_> = stored
                    .shards
                    .iter()
                    .map(|(state, next)| (Arc::new(self.alike(state)), *next))
                    .collect();
                let copies = self.shape.copies;
                if let Some(new) = self.cluster.create(Some("1s"), copies, &content) {
                    self.bind(new);
                }
            }
        }
    }

    pub(crate) fn alike(&mut self, state: &State) -> State {
        let now = self.now();
        state
            .iter()
            .map(|(&id, before)| {
                let written = before.document.is_some();
                let document = written.then(|| Arc::new(Document::random(&mut self.rng, id, now)));
                (id, Operation::acknowledged(id, before.seq_no, document))
            })
            .collect()
    }

    pub(crate) fn bind_wrongly(&mut self) {
        if !self.shape.moves || !self.cluster.is_alias() {
            return;
        }
        let two = self.rng.bool();
        self.cluster.change(|state| {
            state.bound = if two {
                state.alive.iter().rev().take(2).copied().collect()
            } else {
                Vec::new()
            };
        });
        self.note(|| "the alias changes for what it should not be".to_owned());
    }

    /// Makes the alias refer again to an index to which it referred earlier.
    pub(crate) fn move_back(&mut self) {
        if !self.shape.moves || !self.cluster.is_alias() {
            return;
        }
        let alive = &self.cluster.current.alive;
        let index = alive[self.rng.usize(..alive.len())];
        self.bind(index);
    }
}
