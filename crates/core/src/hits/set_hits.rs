//! Finds the counter of a directive of a set, so that an evaluation can count a match.

use std::sync::Arc;

use super::counters::{Block, SLOTS};

/// The counters of the directives of one set.
#[derive(Debug, Default)]
pub(crate) struct SetHits {
    /// The slot of the counter of each directive, in the order of the set.
    pub(super) slots: Box<[u32]>,
    /// The blocks that contain the slots of the directives. All sets of a store share the blocks of
    /// counters.
    pub(super) blocks: Arc<[Arc<Block>]>,
}

impl SetHits {
    /// Counts a match of the directive at the given position.
    #[inline]
    pub(crate) fn count(&self, position: usize, is_sampled: bool, second: i64) {
        if let Some(&slot) = self.slots.get(position)
            && let Some(block) = self.blocks.get(slot as usize / SLOTS)
        {
            block.count(slot as usize, is_sampled, second);
        }
    }
}

/// The counters of a handle to a set; `None` if evaluations with this handle count nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counting(pub(super) Option<Arc<SetHits>>);

impl Counting {
    /// The value for a handle with which evaluations count nothing.
    pub(crate) const NONE: &'static Self = &Self(None);

    #[inline]
    pub(crate) fn hits(&self) -> Option<&SetHits> {
        self.0.as_deref()
    }
}
