//! Chooses the random parameters of a simulated world: its size, the kinds of events that can occur
//! in it, and how its servers differ from OpenSearch 3.

use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;

use opensearch_directives::Config;
use opensearch_directives::internal::PAGE_SIZE;

use crate::document_generator::IDS;

/// The size of a simulated world, and the kinds of events that can occur in it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own")]
pub(crate) struct Shape {
    pub(crate) nodes: usize,
    pub(crate) copies: usize,
    pub(crate) shards: usize,
    /// Whether some copies can lag, which means that they are refreshed late.
    pub(crate) lag: bool,
    /// Whether a node can be cut off from the other nodes and still serve requests.
    pub(crate) cut_off: bool,
    /// Whether the configured name can begin to refer to another index.
    pub(crate) moves: bool,
    /// Whether the configured name can begin to refer to another index between two requests of one
    /// poll.
    pub(crate) moves_during_a_poll: bool,
    /// Whether both sides of a network partition can have an index with the same concrete name.
    pub(crate) one_name_twice: bool,
    pub(crate) quirks: bool,
    pub(crate) faults: bool,
    /// Whether a full read can need several pages.
    pub(crate) pages: bool,
    /// The maximum number of documents in one page of a full read.
    pub(crate) page: usize,
    /// Whether a world can go through a rare sequence of events (see `rare_sequences.rs`).
    pub(crate) sequences: bool,
    /// Whether every copy is refreshed at the refresh interval, and not only at random.
    pub(crate) refreshes_on_time: bool,
}

impl Shape {
    /// Returns the parameters of a world in which every kind of event occurs.
    pub(crate) fn all() -> Self {
        Self {
            nodes: 3,
            copies: 3,
            shards: 2,
            lag: true,
            cut_off: true,
            moves: true,
            moves_during_a_poll: true,
            one_name_twice: true,
            quirks: true,
            faults: true,
            pages: true,
            page: PAGE_SIZE,
            sequences: true,
            refreshes_on_time: false,
        }
    }

    /// Chooses at random which kinds of events can occur in a world.
    pub(crate) fn vary(&self, rng: &mut Rng) -> Self {
        Self {
            nodes: rng.usize(1..=self.nodes),
            copies: rng.usize(1..=self.copies),
            shards: if self.shards > 1 && rng.u8(..8) == 0 {
                self.shards
            } else {
                1
            },
            lag: self.lag && rng.bool(),
            cut_off: self.cut_off && rng.bool(),
            moves: self.moves && rng.bool(),
            quirks: self.quirks && rng.u8(..3) == 0,
            faults: self.faults && rng.u8(..3) > 0,
            page: if self.pages && rng.bool() {
                rng.usize(1..=3)
            } else {
                self.page
            },
            ..self.clone()
        }
    }
}

/// The settings of the refreshers in a world.
#[derive(Clone, Debug)]
pub(crate) struct RefresherSettings {
    /// The number of buckets of the first histogram of a reconciliation. This number is low, so
    /// that a reconciliation needs several rounds although the worlds have few documents.
    pub(crate) first_buckets: u64,
    /// A delta read starts at the highest `_seq_no` minus this distance. The distance `look_back`
    /// is short, so that delta reads return only a part of the documents although the worlds have
    /// few documents.
    pub(crate) look_back: u64,
    pub(crate) reconcile_interval: Duration,
}

impl Default for RefresherSettings {
    fn default() -> Self {
        Self {
            first_buckets: 2,
            look_back: 100,
            reconcile_interval: Config::DEFAULT_RECONCILE_INTERVAL,
        }
    }
}

impl RefresherSettings {
    /// A reconcile interval that is longer than any schedule, with which a refresher never
    /// reconciles periodically.
    const LONGER_THAN_ANY_SCHEDULE: Duration = Duration::from_hours(24);

    /// In one of four worlds, the refreshers reconcile so often that writes and faults happen
    /// around their periodic reconciles. In the other three of four worlds, the refreshers never
    /// reconcile periodically. If a refresher without periodic reconciles misses a change, no
    /// reconcile finds the change later, so the checks notice the missing change.
    pub(crate) fn random(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x5eed);
        let first_buckets = [1, 2, 3, 64][rng.usize(..4)];
        let often = Duration::from_secs(rng.u64(5..60));
        Self {
            first_buckets,
            look_back: [0, 1, 3, 100][rng.usize(..4)],
            reconcile_interval: if rng.u8(..4) == 0 {
                often
            } else {
                Self::LONGER_THAN_ANY_SCHEDULE
            },
        }
    }

    /// Returns true if periodic reconciles happen during a schedule.
    pub(crate) fn reconcile_often(&self) -> bool {
        self.reconcile_interval < Self::LONGER_THAN_ANY_SCHEDULE
    }
}

/// The requests that the simulated servers refuse, or to which they respond differently from
/// OpenSearch 3.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own")]
pub(crate) struct Quirks {
    /// The servers respond with 403 to requests for index statistics.
    pub(crate) no_stats: bool,
    /// The servers return no hits if a search selects a range of `_seq_no`s.
    pub(crate) range_finds_nothing: bool,
    /// The servers respond with 400 if a search selects a range of `_seq_no`s.
    pub(crate) range_refused: bool,
    /// The servers respond with 400 to aggregations of `_seq_no`.
    pub(crate) sums_refused: bool,
    /// The servers omit the aggregations from their responses.
    pub(crate) no_sums: bool,
    /// The servers respond with 400 to histograms of `_seq_no`.
    pub(crate) histograms_refused: bool,
    /// The setting `search.max_buckets` of the servers; `None` stands for the default.
    pub(crate) max_buckets: Option<usize>,
    /// The status with which the servers refuse requests for a point in time; `None` if the servers
    /// permit such requests.
    pub(crate) no_point_in_time: Option<u16>,
    /// The servers respond with 403 to requests with the preference `_primary`.
    pub(crate) no_primary: bool,
    /// The servers respond with 403 to requests for the cluster state.
    pub(crate) no_cluster_state: bool,
    /// The servers respond with 403 to requests for node statistics.
    pub(crate) no_node_stats: bool,
    /// The servers respond with 403 to `_mget`.
    pub(crate) no_gets: bool,
    /// The servers respond to `_mget` with 200 and a `security_exception` for each document.
    pub(crate) no_items: bool,
    /// The document that document-level security hides from searches and `_mget`, but not from the
    /// statistics.
    pub(crate) hidden: Option<&'static str>,
}

impl Quirks {
    /// Returns true if the servers refuse a search with the given aggregations.
    pub(crate) fn refuses(&self, aggregations: &Value) -> bool {
        let histogram = [&aggregations["h"], &aggregations["all"]["aggs"]["h"]]
            .into_iter()
            .any(|histogram| !histogram.is_null());
        self.sums_refused && !aggregations.is_null() || self.histograms_refused && histogram
    }

    /// In one of four worlds whose servers differ from OpenSearch, lets the servers refuse
    /// histograms. The function uses a separate random generator, so that existing seeds still
    /// produce the same worlds.
    pub(crate) fn refuse_histograms(&mut self, seed: u64, shape: &Shape) {
        self.histograms_refused = shape.quirks && Rng::with_seed(seed ^ 0x0b5c_u64).u8(..4) == 0;
    }

    /// Hides a document in one of eight worlds, provided that the statistics of the world are
    /// reliable. The hidden document is chosen with a separate random generator, so that existing
    /// seeds still produce the same worlds.
    pub(crate) fn hide(&mut self, seed: u64, shape: &Shape) {
        let mut rng = Rng::with_seed(seed ^ 0x0d15_ea5e);
        let reliable = !shape.faults && !shape.cut_off && !self.no_stats && shape.copies == 1;
        if reliable && rng.u8(..8) == 0 {
            self.hidden = rng.choice(IDS);
        }
    }

    pub(crate) fn random(rng: &mut Rng, shape: &Shape) -> Self {
        if !shape.quirks {
            return Self::default();
        }
        let mut some = || rng.u8(..3) == 0;
        // If nodes can be cut off, the refreshers need access to the primary and to the cluster
        // state. Without access to the primary and to the cluster state, a refresher cannot know
        // whether a node is cut off.
        let blind = !shape.cut_off;
        let mut quirks = Self {
            no_stats: some(),
            range_finds_nothing: some(),
            range_refused: some(),
            sums_refused: some(),
            no_sums: some(),
            histograms_refused: false,
            max_buckets: None,
            no_primary: some() && blind,
            no_cluster_state: some() && blind,
            no_node_stats: some(),
            // In random worlds, an `_mget` is refused only by a network fault, and never by a
            // server.
            no_gets: false,
            no_items: false,
            hidden: None,
            no_point_in_time: some().then(|| [400, 404, 405][rng.usize(..3)]),
        };
        // If points in time are not available, a refresher can verify that all pages belong to one
        // view only through aggregations, and only if the index has a single shard.
        if shape.page < PAGE_SIZE && (shape.shards > 1 || quirks.no_sums || quirks.sums_refused) {
            quirks.no_point_in_time = None;
        }
        quirks
    }
}
