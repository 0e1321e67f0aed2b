//! Holds the whole state of one simulated world: cluster, writers, network and clock, all derived
//! from one seed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::cluster::{Cluster, CutOff};
use crate::documents::{Document, IDS};
use crate::index::Index;
use crate::network_faults::Weather;
use crate::server_variants::{Quirks, Shape};
use crate::view_history::History;

/// How much of the log is kept.
const LOGGED: usize = 60;

/// When every world begins.
pub(crate) const EPOCH: &str = "2030-01-01T00:00:00Z";

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) cluster: Cluster,
    pub(crate) quirks: Quirks,
    pub(crate) weather: Weather,
    pub(crate) history: History,
    pub(crate) shape: Shape,
    /// Whether things happen, also in the middle of a poll.
    pub(crate) lively: bool,
    pub(crate) began: Instant,
    pub(crate) epoch: Timestamp,
    /// How it began.
    pub(crate) is: String,
    /// What happened last, if anybody wants to know.
    pub(crate) log: Option<VecDeque<String>>,
}

impl World {
    pub(crate) fn new(seed: u64, all: &Shape, logs: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let shape = all.vary(&mut rng);
        let mut quirks = Quirks::random(&mut rng, &shape);
        if all.quirks {
            quirks.hide(seed, &shape);
        }
        let weather = Weather::random(&mut rng, &shape);
        let is_alias = rng.bool() || shape.cut_off && shape.moves && !shape.one_name_twice;
        let mut world = Self {
            cluster: Cluster::new(shape.nodes, is_alias),
            rng,
            quirks,
            weather,
            history: History::default(),
            shape,
            lively: true,
            began: Instant::now(),
            epoch: EPOCH.parse().unwrap(),
            is: String::new(),
            log: logs.then(VecDeque::new),
        };
        if logs {
            world.is = format!(
                "{:?}\n{:?}\n{:?}\n",
                world.shape, world.quirks, world.weather
            );
        }
        world.create_index();
        for _ in 0..world.rng.u8(..8) {
            world.write();
        }
        world.settle();
        world
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.epoch + self.began.elapsed()
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let at = self.began.elapsed().as_secs_f64();
        if let Some(log) = &mut self.log {
            if log.len() == LOGGED {
                log.pop_front();
            }
            log.push_back(format!("{at:9.3} {}", line()));
        }
    }

    pub(crate) fn log(&self) -> String {
        let lines = self.log.iter().flatten();
        lines.fold(self.is.clone(), |all, line| all + line + "\n")
    }

    /// Something happens, perhaps.
    pub(crate) fn stir(&mut self) {
        // A hidden document shows in the statistics of an index that does not change meanwhile.
        if self.lively && self.quirks.hidden.is_none() && self.rng.u8(..8) == 0 {
            let moves = self.shape.moves;
            self.shape.moves &= self.shape.moves_during_a_poll;
            self.happen();
            self.shape.moves = moves;
        }
    }

    /// Something happens.
    pub(crate) fn happen(&mut self) {
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
            _ => {
                if self.shape.cut_off {
                    self.write_alone();
                }
            }
        }
    }

    fn document(&mut self, id: &str) -> Option<Arc<Document>> {
        let now = self.now();
        (self.rng.u8(..4) > 0).then(|| Arc::new(Document::random(&mut self.rng, id, now)))
    }

    /// The index that is written to, if it can be.
    fn writable(&self) -> Option<usize> {
        self.cluster
            .bound()
            .filter(|&index| !self.cluster.is_closed(index))
    }

    fn write(&mut self) {
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

    /// Every copy holds another version of a document, and no search shows it yet.
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

    /// A copy applies a write that is under way.
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

    /// A copy shows what it has.
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

    /// Everything that is under way arrives and is seen, where nothing hinders it.
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

    /// The cluster prefers other copies from here on.
    fn reroute(&mut self) {
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
            self.cluster.nodes[node].up = false;
            let points = &mut self.cluster.points_in_time;
            points.retain(|_, point| !point.nodes.contains(&node));
            self.note(|| format!("node {node} is down"));
        }
    }

    fn notice(&mut self) {
        if self.cluster.is_unnoticed() {
            self.cluster.notice();
            self.note(|| "the manager drops the copies that are gone".to_owned());
        }
    }

    fn move_a_primary(&mut self) {
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

    /// Whether document-level security hides a document that is there.
    pub(crate) fn hides_a_document(&self) -> bool {
        self.quirks.hidden.is_some_and(|id| self.shows(id))
    }

    /// Whether the primary shows a document.
    pub(crate) fn shows(&self, id: &str) -> bool {
        let Some(index) = self.cluster.bound() else {
            return false;
        };
        let index = &self.cluster.indices[index];
        let visible = &index.shards[index.shard_of(id)].primary().visible;
        visible
            .get(id)
            .is_some_and(|operation| operation.document.is_some())
    }

    /// Everything becomes well, and stays so.
    pub(crate) fn calm(&mut self) {
        self.lively = false;
        self.weather = Weather::fair();
        for node in 0..self.cluster.nodes.len() {
            if !self.cluster.is_well(node) {
                self.cluster.rejoin(node);
            }
        }
        let alive = self.cluster.current.alive.last().copied();
        match (self.cluster.bound(), alive) {
            (Some(_), _) => {}
            (None, Some(index)) => self.bind(index),
            (None, None) => {
                self.create_index();
            }
        }
        self.cluster.change(|state| state.closed.clear());
        if let Some(index) = self.cluster.bound() {
            for copy in self.cluster.indices[index].copies_mut() {
                copy.lags = false;
            }
        }
        self.settle();
        self.note(|| "all is well from here on".to_owned());
    }
}

/// How far the clock goes on between two steps.
pub(crate) fn pause(rng: &mut Rng) -> Duration {
    Duration::from_millis(match rng.u8(..8) {
        0 => rng.u64(..60_000),
        1..4 => rng.u64(..5_000),
        _ => rng.u64(..500),
    })
}
