//! The random events of a simulated world: writes, replication, refreshes, failures of nodes and
//! failovers.

use std::sync::Arc;

use crate::cluster::CutOff;
use crate::document_generator::{Document, IDS};
use crate::index::Index;
use crate::world::World;

impl World {
    /// Applies one random event to the simulated world, or no event. The simulation calls this
    /// function between two requests of a poll.
    pub(crate) fn stir(&mut self) {
        // If a document is hidden, no event happens during a poll, because a refresher detects
        // hidden documents only if the index does not change during the poll.
        if self.lively && self.quirks.hidden.is_none() && self.rng.u8(..8) == 0 {
            let moves = self.shape.moves;
            self.shape.moves &= self.shape.moves_during_a_poll;
            self.happen();
            self.shape.moves = moves;
        }
    }

    /// Applies one random event to the simulated world, for example a write, a refresh or a
    /// failover.
    pub(crate) fn happen(&mut self) {
        if self.continue_sequence() {
            return;
        }
        match self.rng.u8(..100) {
            0..34 => self.write(),
            34..52 => self.deliver(),
            52..66 => self.refresh(),
            66..70 => self.settle(),
            70..74 => self.lag(),
            74..78 => self.reroute(),
            78..84 => self.lose_or_find_a_node(),
            84..88 => self.notice(),
            88..90 => self.move_a_primary(),
            90 => self.store(),
            91 => self.restore(),
            92 => self.close_or_open(),
            93 => self.replace_index(false),
            94 => self.replace_index(true),
            95 => self.bind_wrongly(),
            96 => self.move_back(),
            97 => self.weather.change(&mut self.rng),
            _ if self.shape.cut_off => self.write_alone(),
            _ => self.fail_over_with_a_loss(None),
        }
    }

    pub(crate) fn document(&mut self, id: &str) -> Option<Arc<Document>> {
        let now = self.now();
        (self.rng.u8(..4) > 0).then(|| Arc::new(Document::random(&mut self.rng, id, now)))
    }

    /// Returns the index to which the configured name refers, or `None` if the name does not refer
    /// to exactly one index or if the index is closed.
    pub(crate) fn writable(&self) -> Option<usize> {
        self.cluster
            .bound()
            .filter(|&index| !self.cluster.is_closed(index))
    }

    pub(crate) fn write(&mut self) {
        let Some(index) = self.writable() else { return };
        let id = IDS[self.rng.usize(..IDS.len())];
        let shard = self.cluster.indices[index].shard_of(id);
        let primary = self.cluster.indices[index].shards[shard].primary().node;
        if !self.cluster.is_well(primary) {
            return;
        }
        let document = self.document(id);
        let at_once = self.rng.u8(..3) > 0;
        let shard = &mut self.cluster.indices[index].shards[shard];
        let seq_no = shard.next_seq_no;
        let what = document.clone();
        shard.write(id, document);
        if at_once {
            let well: Vec<bool> = self
                .cluster
                .nodes
                .iter()
                .map(|n| n.up && n.cut_off.is_none())
                .collect();
            shard.deliver_all(|copy| well[copy.node]);
        }
        self.note(|| match what {
            Some(document) => {
                format!(
                    "write {id} as {seq_no} to index {index}: {}",
                    document.source
                )
            }
            None => format!("delete {id} as {seq_no} from index {index}"),
        });
    }

    /// Updates a document on every copy, but does not refresh any copy. Until the next refresh, no
    /// search returns the new version of the updated document.
    pub(crate) fn update_a_document(&mut self) {
        let Some(index) = self.writable() else { return };
        let live = |index: &Index, id: &str| {
            let primary = index.shards[index.shard_of(id)].primary();
            let last = primary.applied.get(id);
            last.is_some_and(|operation| operation.document.is_some())
        };
        let index = &mut self.cluster.indices[index];
        let id = IDS.into_iter().find(|id| live(index, id)).unwrap_or(IDS[0]);
        let now = self.epoch + self.began.elapsed();
        let document = Document::random(&mut self.rng, id, now);
        let shard = index.shard_of(id);
        let shard = &mut index.shards[shard];
        shard.write(id, Some(Arc::new(document)));
        shard.deliver_all(|_| true);
        self.note(|| format!("update {id}, which no search shows yet"));
    }

    /// Lets a random copy apply one pending operation.
    fn deliver(&mut self) {
        let Some(index) = self.cluster.bound() else {
            return;
        };
        let index = &mut self.cluster.indices[index];
        let shard = self.rng.usize(..index.shards.len());
        let shard = &mut index.shards[shard];
        let copy = self.rng.usize(..shard.copies.len());
        let nodes = &self.cluster.nodes;
        let well = |node: usize| nodes[node].up && nodes[node].cut_off.is_none();
        let (node, primary) = (shard.copies[copy].node, shard.primary().node);
        if shard.copies[copy].in_sync && well(node) && well(primary) {
            shard.deliver(copy, |count| self.rng.usize(..count));
            self.note(|| format!("deliver to the copy on node {node}"));
        }
    }

    /// Refreshes a random copy, so that searches on this copy return all operations that the copy
    /// has applied.
    fn refresh(&mut self) {
        let Some(index) = self.cluster.bound() else {
            return;
        };
        let index = &mut self.cluster.indices[index];
        let shard = self.rng.usize(..index.shards.len());
        let copies = &mut index.shards[shard].copies;
        let copy = self.rng.usize(..copies.len());
        let copy = &mut copies[copy];
        if !copy.lags && self.cluster.nodes[copy.node].up {
            copy.refresh();
            let node = copy.node;
            self.note(|| format!("refresh shard {shard} on node {node}"));
        }
    }

    /// Applies all pending operations and refreshes all copies. Copies on nodes that are down or
    /// cut off do not change, and copies that lag are not refreshed.
    pub(crate) fn settle(&mut self) {
        let Some(index) = self.cluster.bound() else {
            return;
        };
        let well: Vec<bool> = self
            .cluster
            .nodes
            .iter()
            .map(|n| n.up && n.cut_off.is_none())
            .collect();
        for shard in &mut self.cluster.indices[index].shards {
            if well[shard.primary().node] {
                shard.deliver_all(|copy| copy.in_sync && well[copy.node]);
            }
            for copy in &mut shard.copies {
                if !copy.lags && well[copy.node] {
                    copy.refresh();
                }
            }
        }
        self.note(|| "settle".to_owned());
    }

    fn lag(&mut self) {
        let Some(index) = self.cluster.bound() else {
            return;
        };
        if !self.shape.lag {
            return;
        }
        let rng = &mut self.rng;
        for copy in self.cluster.indices[index].copies_mut() {
            copy.lags = rng.u8(..3) == 0;
        }
        self.note(|| "other copies lag".to_owned());
    }

    /// Makes the cluster route the next searches to other copies than before.
    pub(crate) fn reroute(&mut self) {
        self.cluster.routing += 1;
        self.note(|| "searches go to other copies".to_owned());
    }

    fn lose_or_find_a_node(&mut self) {
        let lost = (0..self.cluster.nodes.len()).find(|&node| !self.cluster.is_well(node));
        if let Some(node) = lost {
            if self.rng.bool() {
                self.cluster.rejoin(node);
                self.note(|| format!("node {node} is back"));
            }
            return;
        }
        let node = self.rng.usize(..self.cluster.nodes.len());
        if self.shape.cut_off && self.rng.bool() {
            let has_manager = self.rng.bool();
            let cut_off = CutOff::now(&self.cluster.current, has_manager);
            self.cluster.nodes[node].cut_off = Some(cut_off);
            self.note(|| format!("node {node} is cut off (has a manager: {has_manager})"));
        } else {
            self.lose(node);
        }
    }

    pub(crate) fn lose(&mut self, node: usize) {
        self.cluster.nodes[node].up = false;
        let points = &mut self.cluster.points_in_time;
        points.retain(|_, point| !point.nodes.contains(&node));
        self.note(|| format!("node {node} is down"));
    }

    pub(crate) fn notice(&mut self) {
        if self.cluster.is_unnoticed() {
            self.cluster.notice();
            self.note(|| "the manager drops the copies that are gone".to_owned());
        }
    }

    pub(crate) fn move_a_primary(&mut self) {
        let Some(index) = self.cluster.bound() else {
            return;
        };
        if (0..self.cluster.nodes.len()).any(|node| !self.cluster.is_well(node)) {
            return;
        }
        for shard in &mut self.cluster.indices[index].shards {
            shard.deliver_all(|_| true);
            shard.promote();
        }
        self.cluster.change(|_| {});
        self.note(|| "another copy is the primary".to_owned());
    }

    /// Fails over to a copy that lacks the latest write, and lets the new primary assign the
    /// `_seq_no` of this write again. If `returns` is true, the former primary becomes the primary
    /// again at once. If `returns` is `None`, the former primary becomes the primary again in half
    /// of the cases.
    pub(crate) fn fail_over_with_a_loss(&mut self, returns: Option<bool>) {
        let Some(index) = self.writable() else { return };
        if (0..self.cluster.nodes.len()).any(|node| !self.cluster.is_well(node)) {
            return;
        }
        let shard = self.rng.usize(..self.cluster.indices[index].shards.len());
        let Some(lost) = self.cluster.indices[index].shards[shard].only_on_the_primary() else {
            return;
        };
        let id = lost.id;
        let document = self.document(id);
        let returns = returns.unwrap_or_else(|| self.rng.bool());
        let shard = &mut self.cluster.indices[index].shards[shard];
        shard.promote();
        shard.write(id, document);
        shard.deliver_all(|copy| copy.in_sync);
        if returns {
            shard.promote();
        }
        self.cluster.change(|_| {});
        self.note(|| format!("a failover loses a write of {id} (and back: {returns})"));
    }

    fn write_alone(&mut self) {
        let Some(node) = self
            .cluster
            .nodes
            .iter()
            .position(|node| node.cut_off.is_some())
        else {
            return;
        };
        let Some(index) = self.writable() else { return };
        let id = IDS[self.rng.usize(..IDS.len())];
        let shard = self.cluster.indices[index].shard_of(id);
        let document = self.document(id);
        let shard = &mut self.cluster.indices[index].shards[shard];
        if shard.primary().node == node
            && shard.copies.iter().filter(|copy| copy.in_sync).count() > 1
        {
            shard.write_alone(id, document);
            if self.rng.bool() {
                let primary = shard.primary;
                shard.copies[primary].refresh();
            }
            self.note(|| format!("a write of {id} that only node {node} takes"));
        }
    }
}
