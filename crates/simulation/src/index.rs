//! Models one concrete index: its identity, its shards, and a stored copy of it.
//!
//! A write gets its `_seq_no` on the primary at once. Each copy has it *applied* some
//! time later, in any order among concurrent writes, and shows it to searches from its
//! own next refresh on. It is acknowledged once every copy in sync has applied it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::documents::Document;

/// The last operation on each document that there ever was, deletions included.
pub(crate) type State = BTreeMap<&'static str, Arc<Operation>>;

/// A write or a deletion.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) id: &'static str,
    pub(crate) seq_no: u64,
    /// Of the primary that gave the number.
    pub(crate) term: u64,
    /// `None`: a deletion.
    pub(crate) document: Option<Arc<Document>>,
    fate: AtomicU8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    InFlight,
    Acknowledged,
    /// A failover lost it, and its number goes to another.
    Lost,
}

impl Operation {
    pub(crate) fn new(
        id: &'static str,
        seq_no: u64,
        term: u64,
        document: Option<Arc<Document>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            seq_no,
            term,
            document,
            fate: AtomicU8::new(0),
        })
    }

    /// One that all copies have.
    pub(crate) fn acknowledged(
        id: &'static str,
        seq_no: u64,
        document: Option<Arc<Document>>,
    ) -> Arc<Self> {
        let operation = Self::new(id, seq_no, 1, document);
        operation.set_fate(Fate::Acknowledged);
        operation
    }

    pub(crate) fn fate(&self) -> Fate {
        match self.fate.load(Ordering::Relaxed) {
            0 => Fate::InFlight,
            1 => Fate::Acknowledged,
            _ => Fate::Lost,
        }
    }

    pub(crate) fn set_fate(&self, fate: Fate) {
        self.fate.store(fate as u8, Ordering::Relaxed);
    }
}

/// One copy of a shard, on a node.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) node: usize,
    pub(crate) applied: Arc<State>,
    /// What it has still to apply.
    pub(crate) pending: Vec<Arc<Operation>>,
    /// What its searches see.
    pub(crate) visible: Arc<State>,
    /// Whether it does not refresh for now.
    pub(crate) lags: bool,
    /// Whether a write waits for it.
    pub(crate) in_sync: bool,
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
        }
    }

    pub(crate) fn refresh(&mut self) {
        self.visible = Arc::clone(&self.applied);
    }

    /// Takes over all that another copy has, as a recovery does.
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
    /// The place of the primary among them.
    pub(crate) primary: usize,
    pub(crate) next_seq_no: u64,
    /// Raised whenever another copy becomes the primary.
    term: u64,
    in_flight: Vec<Arc<Operation>>,
    /// All that there ever were.
    deletions: Vec<Arc<Operation>>,
}

impl Shard {
    pub(crate) fn new(nodes: &[usize], state: &Arc<State>, next_seq_no: u64) -> Self {
        Self {
            copies: nodes.iter().map(|&node| Copy::new(node, state)).collect(),
            primary: 0,
            next_seq_no,
            // Above that of every operation that a stored copy brings along.
            term: 1 + state
                .values()
                .map(|operation| operation.term)
                .max()
                .unwrap_or(0),
            in_flight: Vec::new(),
            deletions: Vec::new(),
        }
    }

    pub(crate) fn primary(&self) -> &Copy {
        &self.copies[self.primary]
    }

    /// Takes a write in. Nothing but its number shows yet.
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

    /// Has one copy apply one of what it has not yet; `pick` chooses. A replica gets it
    /// from the primary, so after it.
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

    /// Has these copies apply all that they can, in order.
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

    /// Acknowledges what every copy in sync has applied.
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

    /// Takes copies out of those that a write waits for, and makes another the primary
    /// if it was one of them. `false` if there is none.
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

    /// Makes the first copy in sync that is not the primary the primary. What it has
    /// not applied is lost, and numbers go on from its highest.
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
            if rolls_back {
                copy.refresh();
            }
        }
        self.acknowledge();
    }

    /// A write that only a primary takes that has lost the others, and does not know.
    /// Never acknowledged, unless they come back.
    pub(crate) fn write_alone(&mut self, id: &'static str, document: Option<Arc<Document>>) {
        let primary = self.primary;
        self.write(id, document);
        if let Some(operation) = self.in_flight.last().cloned() {
            self.copies[primary].apply(&operation);
        }
    }

    /// A node's copy comes back.
    pub(crate) fn rejoin(&mut self, node: usize) {
        let Some(copy) = self.copies.iter().position(|copy| copy.node == node) else {
            return;
        };
        if self.copies[copy].in_sync {
            // Nobody noticed that it was gone.
            return;
        }
        self.deliver_all(|copy| copy.in_sync);
        let state = Arc::clone(&self.primary().applied);
        self.copies[copy].recover(&state);
    }
}

/// What a stored copy of the index keeps of it, shard by shard.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) shards: Vec<(Arc<State>, u64)>,
}

/// One concrete index with one history.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) history: String,
    pub(crate) refresh_interval: Option<&'static str>,
    pub(crate) shards: Vec<Shard>,
}

impl Index {
    /// The shard that a document belongs to.
    pub(crate) fn shard_of(&self, id: &str) -> usize {
        usize::from(id.bytes().next().unwrap_or_default()) % self.shards.len()
    }

    /// The first deletion of a document after an operation.
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

/// The documents of a state, deletions left out.
pub(crate) fn documents(state: &State) -> impl Iterator<Item = (&Operation, &Arc<Document>)> {
    state
        .values()
        .filter_map(|operation| Some((operation.as_ref(), operation.document.as_ref()?)))
}
