//! Draws the parameters of a world: its size, the events that can occur, and how its servers differ
//! from OpenSearch 3.

use fastrand::Rng;

use opensearch_directives::internal::PAGE_SIZE;

use crate::documents::IDS;

/// What can happen in a world.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own")]
pub(crate) struct Shape {
    pub(crate) nodes: usize,
    pub(crate) copies: usize,
    pub(crate) shards: usize,
    /// Copies that show late what they have.
    pub(crate) lag: bool,
    /// Nodes that lost the others and answer on.
    pub(crate) cut_off: bool,
    /// Other indices under the same name.
    pub(crate) moves: bool,
    /// Also between two requests of one poll.
    pub(crate) moves_during_a_poll: bool,
    /// An index of the same concrete name on both sides of a cut.
    pub(crate) one_name_twice: bool,
    pub(crate) quirks: bool,
    pub(crate) faults: bool,
    /// Refreshers that need several pages.
    pub(crate) pages: bool,
    /// How many documents they read with one request.
    pub(crate) page: usize,
}

impl Shape {
    /// All that there is.
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
        }
    }

    /// Some of it.
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

/// Which requests a server refuses or takes in another way.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own")]
pub(crate) struct Quirks {
    /// 403 for statistics.
    pub(crate) no_stats: bool,
    /// A search by `_seq_no` finds nothing.
    pub(crate) range_finds_nothing: bool,
    /// 400 for it.
    pub(crate) range_refused: bool,
    /// 400 for sums of `_seq_no`.
    pub(crate) sums_refused: bool,
    /// No sums in the answer.
    pub(crate) no_sums: bool,
    /// This status for points in time.
    pub(crate) no_point_in_time: Option<u16>,
    /// 403 for `_primary`.
    pub(crate) no_primary: bool,
    /// 403 for the cluster's state.
    pub(crate) no_cluster_state: bool,
    /// 403 for the nodes' statistics.
    pub(crate) no_node_stats: bool,
    /// 403 for documents in real time.
    pub(crate) no_gets: bool,
    /// 200 with a `security_exception` for each document in real time.
    pub(crate) no_items: bool,
    /// Document-level security hides this document from searches and lookups, not from the
    /// statistics.
    pub(crate) hidden: Option<&'static str>,
}

impl Quirks {
    /// Hides a document in one of eight worlds whose statistics are reliable; drawn apart, so that
    /// the other worlds stay what they were.
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
        // Without these nobody can tell a node that was cut off from one that is well.
        let blind = !shape.cut_off;
        let mut quirks = Self {
            no_stats: some(),
            range_finds_nothing: some(),
            range_refused: some(),
            sums_refused: some(),
            no_sums: some(),
            no_primary: some() && blind,
            no_cluster_state: some() && blind,
            no_node_stats: some(),
            // Only a fault makes it so in a random world.
            no_gets: false,
            no_items: false,
            hidden: None,
            no_point_in_time: some().then(|| [400, 404, 405][rng.usize(..3)]),
        };
        // Pages of several shards, or that nobody sums up, are not of one view without.
        if shape.page < PAGE_SIZE && (shape.shards > 1 || quirks.no_sums || quirks.sums_refused) {
            quirks.no_point_in_time = None;
        }
        quirks
    }
}
