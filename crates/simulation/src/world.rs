//! A simulated world is the whole state of one simulation: the cluster, the network and the
//! documents. The seed of a world determines everything that happens in it.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::network_faults::Weather;
use crate::rare_sequences::RareSequence;
use crate::returned_views::SeenViews;
use crate::shard::Copy;
use crate::world_parameters::{Quirks, RefresherSettings, Shape};

/// The maximum number of events in the log of a world, which contains only the latest events.
const LOGGED: usize = 60;

/// The refresh interval in worlds whose copies refresh on time.
pub(crate) const REFRESH_INTERVAL: Duration = Duration::from_millis(500);

/// The wall-clock time at which every world begins.
pub(crate) const EPOCH: &str = "2030-01-01T00:00:00Z";

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) cluster: Cluster,
    pub(crate) quirks: Quirks,
    pub(crate) weather: Weather,
    pub(crate) seen_views: SeenViews,
    pub(crate) shape: Shape,
    pub(crate) refreshers: RefresherSettings,
    /// The rare sequence of events that this world goes through, if any.
    pub(crate) sequence: Option<RareSequence>,
    /// The time at which all copies were last refreshed, in a world whose copies refresh on time.
    pub(crate) refreshed_at: Instant,
    /// Whether random events occur during a poll.
    pub(crate) lively: bool,
    pub(crate) began: Instant,
    pub(crate) epoch: Timestamp,
    /// The initial parameters of the world, as the first lines of its log.
    pub(crate) is: String,
    /// The latest events of the world, or `None` if no log is requested.
    pub(crate) log: Option<VecDeque<String>>,
}

impl World {
    pub(crate) fn new(seed: u64, all: &Shape, logs: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut shape = all.vary(&mut rng);
        let mut quirks = Quirks::random(&mut rng, &shape);
        if all.quirks {
            quirks.hide(seed, &shape);
            quirks.refuse_histograms(seed, &shape);
        }
        let sequence = RareSequence::random(seed, all);
        if let Some(sequence) = &sequence {
            sequence.adapt(&mut shape, &mut quirks);
        }
        let weather = Weather::random(&mut rng, &shape);
        let is_alias = rng.bool() || shape.cut_off && shape.moves && !shape.one_name_twice;
        let mut world = Self {
            cluster: Cluster::new(shape.nodes, is_alias),
            rng,
            quirks,
            weather,
            seen_views: SeenViews::default(),
            shape,
            refreshers: RefresherSettings::default(),
            sequence,
            refreshed_at: Instant::now(),
            lively: true,
            began: Instant::now(),
            epoch: EPOCH.parse().unwrap(),
            is: String::new(),
            log: logs.then(VecDeque::new),
        };
        if logs {
            world.is = format!(
                "{:?}\n{:?}\n{:?}\n{:?}\n",
                world.shape, world.quirks, world.weather, world.sequence
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

    /// In a world whose copies refresh on time, refreshes every copy once the refresh interval has
    /// passed. In a world whose copies may refresh late, only random events refresh the copies.
    pub(crate) fn refresh_on_time(&mut self) {
        if self.shape.refreshes_on_time && self.refreshed_at.elapsed() >= REFRESH_INTERVAL {
            self.refreshed_at = Instant::now();
            self.settle();
        }
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

    /// Returns true if document-level security hides a document that exists in the index.
    pub(crate) fn hides_a_document(&self) -> bool {
        self.quirks.hidden.is_some_and(|id| self.shows(id))
    }

    /// Returns true if searches on the primary can return the document with the given id.
    /// Document-level security may still hide the document.
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

    /// Returns true if the index `uuid` may contain a difference that only a periodic reconcile
    /// finds (a known limitation). Only a periodic reconcile finds a difference if a copy made an
    /// operation visible late, or if a failover lost operations whose `_seq_no`s can be assigned
    /// again.
    ///
    /// `uuid` is the uuid of the index that the refresher has read. A node that is cut off may
    /// still serve an index to which the configured name no longer refers.
    pub(crate) fn has_a_limitation_that_needs_reconciles(&self, uuid: &str) -> bool {
        let indices = self.cluster.indices.iter();
        let mut shards = indices
            .filter(|index| index.uuid == uuid)
            .flat_map(|index| &index.shards);
        shards.any(|shard| shard.has_lost || shard.copies.iter().any(Copy::is_late))
    }

    /// Ends all faults, after which every refresher must be able to publish the content of the
    /// index.
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

/// Returns a random pause between two steps of a schedule.
pub(crate) fn pause(rng: &mut Rng) -> Duration {
    Duration::from_millis(match rng.u8(..8) {
        0 => rng.u64(..60_000),
        1..4 => rng.u64(..5_000),
        _ => rng.u64(..500),
    })
}
