//! Decides whether a publish is a step back (P3). A publish is a step back if any document is older
//! than in an earlier publish of the same refresher.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document_generator::IDS;
use crate::document_write::{Fate, Operation};
use crate::returned_views::View;
use crate::world::World;

/// The lower bound for later publishes: for each document, the operations whose results a refresher
/// has published. A later publish must not contain an older state of a document than the last
/// acknowledged operation that the refresher published for this document.
#[derive(Debug)]
pub(crate) struct Floor {
    /// The position of the published index in `Cluster::epochs`, the indices to which the
    /// configured name has referred.
    epoch: usize,
    index: usize,
    /// For each document, the published operations on it, oldest first, starting with the last
    /// acknowledged one. A failover may still lose the published operations that are not
    /// acknowledged.
    published: BTreeMap<&'static str, Vec<Arc<Operation>>>,
}

impl Floor {
    /// Returns the last operation on a document that was published and is acknowledged.
    fn acknowledged(&self, id: &str) -> Option<&Arc<Operation>> {
        let published = self.published.get(id)?;
        let acknowledged = |operation: &&Arc<Operation>| operation.fate() == Fate::Acknowledged;
        published
            .iter()
            .filter(acknowledged)
            .max_by_key(|o| o.seq_no)
    }

    /// Returns the lower bound (the floor) for later publishes after the view `view` is published.
    /// Returns `None` if the view is a step back compared with `before`.
    ///
    /// A view alone does not show whether a missing document was deleted, or whether the view is
    /// older than the document. A missing document counts as a step back only if the document was
    /// never deleted.
    pub(crate) fn after(before: Option<&Self>, world: &World, view: &View) -> Option<Self> {
        let first = before.map_or(0, |floor| floor.epoch);
        let epochs = world.cluster.epochs.iter().enumerate().skip(first);
        let mut epochs = epochs.filter(|(_, index)| **index == Some(view.index));
        let (epoch, _) = epochs.next()?;
        let before = before.filter(|floor| floor.index == view.index);
        let index = &world.cluster.indices[view.index];
        let mut published = BTreeMap::new();
        for id in IDS {
            let bound = before.and_then(|floor| floor.acknowledged(id));
            let live = view
                .operation(id)
                .filter(|operation| operation.document.is_some());
            let now = match (live, bound) {
                (Some(live), Some(bound)) if live.seq_no < bound.seq_no => return None,
                (None, Some(bound)) if bound.document.is_some() => {
                    Some(index.deletion_after(bound)?)
                }
                (None, bound) => bound,
                (Some(live), _) => Some(live),
            };
            let before = before.and_then(|floor| floor.published.get(id));
            let at_least = bound.map_or(0, |bound| bound.seq_no);
            let mut states: Vec<_> = before
                .into_iter()
                .flatten()
                .filter(|state| state.fate() != Fate::Lost && state.seq_no >= at_least)
                .cloned()
                .collect();
            states.extend(now.cloned());
            states.dedup_by(|a, b| Arc::ptr_eq(a, b));
            published.insert(id, states);
        }
        let index = view.index;
        Some(Self {
            epoch,
            index,
            published,
        })
    }

    /// Returns the key that orders floors (the lower bounds for publishes): first the epoch, then
    /// the sum of the `_seq_no`s.
    pub(crate) fn rank(&self) -> (usize, u64) {
        let last = self.published.values().filter_map(|states| states.last());
        (self.epoch, last.map(|operation| operation.seq_no).sum())
    }

    /// Describes the lower bound, its index and its operations, for the report of a broken promise.
    pub(crate) fn describe(&self) -> (usize, Vec<String>) {
        let operations = self.published.values().flatten();
        (
            self.index,
            operations.map(|operation| operation.brief()).collect(),
        )
    }
}
