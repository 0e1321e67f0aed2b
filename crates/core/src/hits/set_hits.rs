//! Finds the counter of a directive from its position in a set, so that an evaluation can count a
//! match.

use std::sync::Arc;

use super::counters::{Block, SLOTS};

/// The counters of the directives of one set.
#[derive(Debug, Default)]
pub(crate) struct SetHits {
    /// The slot of each directive's counter, in the order of the directives in the set.
    pub(super) slots: Box<[u32]>,
    /// The blocks of counters in which the slots are. All directive sets of a store share the same
    /// blocks of counters.
    pub(super) blocks: Arc<[Arc<Block>]>,
}

impl SetHits {
    /// Counts a match of the directive at the given position in the set.
    #[inline]
    pub(crate) fn count(&self, position: usize, is_sampled: bool, second: i64) {
        if let Some(&slot) = self.slots.get(position)
            && let Some(block) = self.blocks.get(slot as usize / SLOTS)
        {
            block.count(slot as usize, is_sampled, second);
        }
    }
}

/// The counters that evaluations with a handle to a set increment; `None` if they count nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counting(pub(super) Option<Arc<SetHits>>);

impl Counting {
    /// Makes evaluations count nothing.
    pub(crate) const NONE: &'static Self = &Self(None);

    #[inline]
    pub(crate) fn hits(&self) -> Option<&SetHits> {
        self.0.as_deref()
    }
}
