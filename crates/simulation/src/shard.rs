//! Models one shard and its copies, with replication, refreshes, failovers and recovery.
//!
//! The primary immediately assigns a `_seq_no` to a write. Each copy *applies* the write later, and
//! may apply concurrent writes in any order. A search on a copy returns the write only after the
//! next refresh of that copy. The write is acknowledged once every in-sync copy has applied it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::document_generator::Document;
use crate::document_write::{Fate, Operation, State};

/// A copy counts as late if an operation becomes visible more than this duration after the copy
/// applied it. The duration equals three of the shortest refresh intervals, which are half a second
/// each. After a change, a refresher reads the index in each poll for three refresh intervals.
const LATE: Duration = Duration::from_millis(1_500);

/// One copy of a shard, on one node.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) node: usize,
    pub(crate) applied: Arc<State>,
    /// The operations that the copy has received but has not yet applied.
    pub(crate) pending: Vec<Arc<Operation>>,
    /// The state that a search on this copy returns.
    pub(crate) visible: Arc<State>,
    /// Whether refreshes of this copy are suspended.
    pub(crate) lags: bool,
    /// Whether this copy is in sync, so that a write is acknowledged only after this copy has
    /// applied it.
    pub(crate) in_sync: bool,
    /// The time at which the copy applied the first operation that searches do not return yet.
    unrefreshed_since: Option<Instant>,
    /// Whether the copy has ever been late with a refresh.
    was_late: bool,
}

impl Copy {
    fn new(node: usize, state: &Arc<State>) -> Self {
        Self {
            node,
            applied: Arc::clone(state),
            pending: Vec::new(),
            visible: Arc::clone(state),
            lags: false,
            in_sync: true,
            unrefreshed_since: None,
            was_late: false,
        }
    }

    fn apply(&mut self, operation: &Arc<Operation>) {
        self.pending
            .retain(|pending| !Arc::ptr_eq(pending, operation));
        let newer = self
            .applied
            .get(operation.id)
            .is_none_or(|last| last.seq_no < operation.seq_no);
        if newer {
            Arc::make_mut(&mut self.applied).insert(operation.id, Arc::clone(operation));
            self.unrefreshed_since.get_or_insert_with(Instant::now);
        }
    }

    pub(crate) fn refresh(&mut self) {
        self.was_late = self.is_late();
        self.unrefreshed_since = None;
        self.visible = Arc::clone(&self.applied);
    }

    /// Returns true if this copy has ever made an operation visible late, or has applied an
    /// operation that has been invisible for longer than [`LATE`].
    pub(crate) fn is_late(&self) -> bool {
        let late = |since: Instant| since.elapsed() >= LATE;
        self.was_late || self.unrefreshed_since.is_some_and(late)
    }

    /// Replaces the state of this copy with the state of another copy, as a recovery does.
    fn recover(&mut self, from: &Arc<State>) {
        self.applied = Arc::clone(from);
        self.pending.clear();
        self.in_sync = true;
        self.refresh();
    }
}

#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) copies: Vec<Copy>,
    /// The position of the primary in `copies`.
    pub(crate) primary: usize,
    pub(crate) next_seq_no: u64,
    /// The primary term, a number that each failover increments.
    term: u64,
    in_flight: Vec<Arc<Operation>>,
    /// Whether a failover has lost operations, so that the new primary can assign the `_seq_no`s of
    /// these operations again.
    pub(crate) has_lost: bool,
    /// All deletions of documents since the shard was created.
    pub(crate) deletions: Vec<Arc<Operation>>,
}

impl Shard {
    pub(crate) fn new(nodes: &[usize], state: &Arc<State>, next_seq_no: u64) -> Self {
        Self {
            copies: nodes.iter().map(|&node| Copy::new(node, state)).collect(),
            primary: 0,
            next_seq_no,
            // The primary term of a restored shard must be higher than the term of every restored
            // operation.
            term: 1 + state
                .values()
                .map(|operation| operation.term)
                .max()
                .unwrap_or(0),
            in_flight: Vec::new(),
            has_lost: false,
            deletions: Vec::new(),
        }
    }

    pub(crate) fn primary(&self) -> &Copy {
        &self.copies[self.primary]
    }

    /// Accepts a write and assigns its `_seq_no`. The write stays in `pending` of each in-sync copy
    /// until the copy applies it.
    pub(crate) fn write(&mut self, id: &'static str, document: Option<Arc<Document>>) {
        let operation = Operation::new(id, self.next_seq_no, self.term, document);
        self.next_seq_no += 1;
        for copy in self.copies.iter_mut().filter(|copy| copy.in_sync) {
            copy.pending.push(Arc::clone(&operation));
        }
        if operation.document.is_none() {
            self.deletions.push(Arc::clone(&operation));
        }
        self.in_flight.push(operation);
    }

    /// Makes a copy apply the pending operation that `pick` selects. A replica can only apply
    /// operations that the primary has applied.
    pub(crate) fn deliver(&mut self, copy: usize, pick: impl FnOnce(usize) -> usize) {
        let first = &self.copies[self.primary].pending;
        let ready: Vec<_> = self.copies[copy]
            .pending
            .iter()
            .filter(|operation| {
                copy == self.primary || !first.iter().any(|other| Arc::ptr_eq(other, operation))
            })
            .cloned()
            .collect();
        if ready.is_empty() {
            return;
        }
        let operation = &ready[pick(ready.len())];
        self.copies[copy].apply(operation);
        self.acknowledge();
    }

    /// Lets all copies that `reached` selects apply their pending operations in order.
    pub(crate) fn deliver_all(&mut self, reached: impl Fn(&Copy) -> bool) {
        let order = std::iter::once(self.primary)
            .chain((0..self.copies.len()).filter(|&copy| copy != self.primary));
        for copy in order.collect::<Vec<_>>() {
            if reached(&self.copies[copy]) {
                for _ in 0..self.copies[copy].pending.len() {
                    self.deliver(copy, |_| 0);
                }
            }
        }
    }

    /// Acknowledges the operations that every in-sync copy has applied.
    fn acknowledge(&mut self) {
        let copies = &self.copies;
        self.in_flight.retain(|operation| {
            let waits = copies
                .iter()
                .any(|copy| copy.in_sync && copy.pending.iter().any(|p| Arc::ptr_eq(p, operation)));
            if !waits {
                operation.set_fate(Fate::Acknowledged);
            }
            waits
        });
    }

    /// Marks all copies on the nodes for which `gone` returns true as no longer in sync. Promotes
    /// another copy if the primary is on a node for which `gone` returns true. If no in-sync copy
    /// would remain, changes nothing and returns `false`.
    pub(crate) fn drop_copies(&mut self, gone: impl Fn(usize) -> bool) -> bool {
        if !self
            .copies
            .iter()
            .any(|copy| copy.in_sync && !gone(copy.node))
        {
            return false;
        }
        for copy in &mut self.copies {
            copy.in_sync &= !gone(copy.node);
        }
        if !self.primary().in_sync {
            self.promote();
        }
        self.acknowledge();
        true
    }

    /// Returns a write that a failover would lose: the primary has applied the write, and the copy
    /// that would become the primary has not applied it.
    pub(crate) fn only_on_the_primary(&self) -> Option<Arc<Operation>> {
        let replica = self
            .copies
            .iter()
            .enumerate()
            .find(|(copy, of)| *copy != self.primary && of.in_sync);
        let (_, replica) = replica?;
        let mut lacking = replica.pending.iter();
        let lacking = lacking.find(|operation| {
            let pending = &self.primary().pending;
            !pending.iter().any(|other| Arc::ptr_eq(other, operation))
        });
        lacking.cloned()
    }

    /// Makes the first in-sync replica the new primary. The failover loses the operations that the
    /// new primary has not applied. The new primary continues with the `_seq_no` after the highest
    /// one that it has applied.
    pub(crate) fn promote(&mut self) {
        let old = self.primary;
        let Some(new) =
            (0..self.copies.len()).find(|&copy| copy != old && self.copies[copy].in_sync)
        else {
            return;
        };
        self.primary = new;
        self.term += 1;
        let lost = std::mem::take(&mut self.copies[new].pending);
        self.has_lost |= !lost.is_empty();
        for operation in &lost {
            operation.set_fate(Fate::Lost);
        }
        self.in_flight
            .retain(|operation| operation.fate() == Fate::InFlight);
        let state = Arc::clone(&self.copies[new].applied);
        self.next_seq_no = state
            .values()
            .map(|operation| operation.seq_no + 1)
            .max()
            .unwrap_or(0);
        for copy in self.copies.iter_mut().filter(|copy| copy.in_sync) {
            let rolls_back = copy
                .applied
                .values()
                .any(|operation| operation.fate() == Fate::Lost);
            copy.pending.clear();
            copy.applied = Arc::clone(&state);
            copy.unrefreshed_since.get_or_insert_with(Instant::now);
            if rolls_back {
                copy.refresh();
            }
        }
        self.acknowledge();
    }

    /// Accepts a write on a primary that is cut off and does not know yet that it is cut off. A
    /// write on a primary that is cut off is acknowledged only if the other copies reconnect.
    pub(crate) fn write_alone(&mut self, id: &'static str, document: Option<Arc<Document>>) {
        let primary = self.primary;
        self.write(id, document);
        if let Some(operation) = self.in_flight.last().cloned() {
            self.copies[primary].apply(&operation);
        }
    }

    /// Recovers the copy of a node that rejoined the cluster.
    pub(crate) fn rejoin(&mut self, node: usize) {
        let Some(copy) = self.copies.iter().position(|copy| copy.node == node) else {
            return;
        };
        if self.copies[copy].in_sync {
            // The cluster manager did not notice that the node was absent, so the copy still counts
            // as in sync.
            return;
        }
        self.deliver_all(|copy| copy.in_sync);
        let state = Arc::clone(&self.primary().applied);
        self.copies[copy].recover(&state);
    }
}
