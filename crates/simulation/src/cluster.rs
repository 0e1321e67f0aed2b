//! Models a cluster: its nodes, the cluster state that each node knows, and the index to which the
//! configured name refers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::document_write::State;
use crate::index::{Index, Stored};
use crate::shard::{Copy, Shard};

/// The name of the index or alias that all refreshers are configured to poll.
pub(crate) const NAME: &str = "directives";
pub(crate) const CLUSTER_UUID: &str = "cluster-1";

/// One version of the cluster state, as the elected cluster manager publishes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterState {
    pub(crate) version: u64,
    /// The indices to which the configured name (an index or an alias) refers in this cluster
    /// state.
    pub(crate) bound: Vec<usize>,
    /// All indices that exist in this cluster state.
    pub(crate) alive: Vec<usize>,
    pub(crate) closed: Vec<usize>,
    /// The node that holds the primary, for each shard of each index.
    pub(crate) primaries: BTreeMap<usize, Vec<usize>>,
}

/// The state of a node that has lost contact with the other nodes.
#[derive(Clone, Debug)]
pub(crate) struct CutOff {
    /// The cluster state that the node knew when it was cut off.
    pub(crate) state: Arc<ClusterState>,
    /// Whether the elected manager is on the same side of the network partition as this node. A
    /// node on the manager's side can serve cluster requests until the manager steps down.
    had_manager: bool,
    since: Instant,
}

/// An elected manager that has lost contact with the other nodes steps down only after this time
/// (`cluster.fault_detection.follower_check`). The manager checks each node every second, with a
/// time limit of ten seconds. After three failed checks of a node, the cluster manager removes this
/// node from the cluster. If the remaining nodes are not a majority, the cluster manager steps
/// down.
const STEPS_DOWN_AFTER: Duration = Duration::from_secs(40);

impl CutOff {
    pub(crate) fn now(state: &Arc<ClusterState>, had_manager: bool) -> Self {
        Self {
            state: Arc::clone(state),
            had_manager,
            since: Instant::now(),
        }
    }

    pub(crate) fn has_manager(&self) -> bool {
        self.had_manager && self.since.elapsed() < STEPS_DOWN_AFTER
    }
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) up: bool,
    pub(crate) cut_off: Option<CutOff>,
}

/// A point in time (PIT) of the search API, which retains one view of each shard.
#[derive(Debug)]
pub(crate) struct PointInTime {
    pub(crate) index: usize,
    pub(crate) views: Vec<Arc<State>>,
    /// The nodes that hold the views of this point in time, one for each view. A view is lost when
    /// the node that holds it goes down.
    pub(crate) nodes: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Cluster {
    /// All indices that have existed since the start of the simulated world. Each restore of a
    /// snapshot adds an index to `indices`, even if the snapshot is restored into an existing
    /// index.
    pub(crate) indices: Vec<Index>,
    pub(crate) current: Arc<ClusterState>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) points_in_time: BTreeMap<String, PointInTime>,
    /// The indices to which the configured name has referred, in chronological order. An entry of
    /// `epochs` is `None` for a period in which the configured name referred to no index or to
    /// several indices.
    pub(crate) epochs: Vec<Option<usize>>,
    pub(crate) stored: Vec<(usize, Stored)>,
    pub(crate) opened: u64,
    /// `routing` and the preference of a search together determine which copy of a shard serves the
    /// search.
    pub(crate) routing: u64,
    is_alias: bool,
}

impl Cluster {
    pub(crate) fn new(nodes: usize, is_alias: bool) -> Self {
        Self {
            indices: Vec::new(),
            current: Arc::default(),
            nodes: (0..nodes)
                .map(|_| Node {
                    up: true,
                    cut_off: None,
                })
                .collect(),
            points_in_time: BTreeMap::new(),
            epochs: Vec::new(),
            stored: Vec::new(),
            opened: 0,
            routing: 0,
            is_alias,
        }
    }

    pub(crate) fn is_alias(&self) -> bool {
        self.is_alias
    }

    /// Returns the cluster state that a node knows.
    pub(crate) fn state_of(&self, node: usize) -> &Arc<ClusterState> {
        match &self.nodes[node].cut_off {
            Some(cut_off) => &cut_off.state,
            None => &self.current,
        }
    }

    pub(crate) fn is_well(&self, node: usize) -> bool {
        self.nodes[node].up && self.nodes[node].cut_off.is_none()
    }

    /// Returns true if the node `from` can send requests to the node `to`.
    pub(crate) fn reaches(&self, from: usize, to: usize) -> bool {
        if self.nodes[from].cut_off.is_some() {
            return from == to;
        }
        self.is_well(to)
    }

    /// Returns the index to which the configured name refers now, or `None` if the name refers to
    /// no index or to several indices.
    pub(crate) fn bound(&self) -> Option<usize> {
        match self.current.bound[..] {
            [index] => Some(index),
            _ => None,
        }
    }

    pub(crate) fn is_closed(&self, index: usize) -> bool {
        self.current.closed.contains(&index)
    }

    /// Returns the nodes on which the copies of a new index are allocated.
    fn placement(&self, copies: usize) -> Vec<usize> {
        let well = (0..self.nodes.len()).filter(|&node| self.is_well(node));
        well.take(copies.max(1)).collect()
    }

    /// Adds an index to the cluster, and returns the number of the index. Returns `None` if no node
    /// is available for the copies of the new index.
    pub(crate) fn create(
        &mut self,
        refresh_interval: Option<&'static str>,
        copies: usize,
        content: &[(Arc<State>, u64)],
    ) -> Option<usize> {
        let placement = self.placement(copies);
        if placement.is_empty() {
            return None;
        }
        let number = self.indices.len();
        let shard = |(state, next): &(Arc<State>, u64)| Shard::new(&placement, state, *next);
        self.indices.push(Index {
            name: if self.is_alias {
                format!("{NAME}-{number}")
            } else {
                NAME.to_owned()
            },
            uuid: format!("uuid-{number}"),
            history: format!("history-{number}"),
            refresh_interval,
            shards: content.iter().map(shard).collect(),
        });
        Some(number)
    }

    /// Restores a snapshot into an existing index. The restored index keeps the uuid of the
    /// existing index, but gets a new history uuid.
    pub(crate) fn restore(&mut self, index: usize, stored: &Stored) -> Option<usize> {
        let before = &self.indices[index];
        let (name, uuid) = (before.name.clone(), before.uuid.clone());
        let (interval, copies) = (before.refresh_interval, before.shards[0].copies.len());
        let new = self.create(interval, copies, &stored.shards)?;
        self.indices[new].name = name;
        self.indices[new].uuid = uuid;
        Some(new)
    }

    /// Applies `change` to the cluster state, and publishes the result as a new version.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut ClusterState)) {
        let state = Arc::make_mut(&mut self.current);
        state.version += 1;
        change(state);
        state.primaries = state
            .alive
            .iter()
            .map(|&index| {
                let shards = &self.indices[index].shards;
                (index, shards.iter().map(|s| s.primary().node).collect())
            })
            .collect();
        let bound = self.bound();
        if self.epochs.last() != Some(&bound) {
            self.epochs.push(bound);
        }
    }

    /// Makes the cluster manager notice all nodes that are down or cut off, and remove their copies
    /// from the cluster state.
    pub(crate) fn notice(&mut self) {
        let well: Vec<bool> = (0..self.nodes.len()).map(|n| self.is_well(n)).collect();
        for index in self.current.alive.clone() {
            for shard in &mut self.indices[index].shards {
                shard.drop_copies(|node| !well[node]);
            }
        }
        self.change(|_| {});
    }

    /// Returns true if the cluster manager has not yet removed the copies of a node that is down or
    /// cut off.
    pub(crate) fn is_unnoticed(&self) -> bool {
        let shards = |&index: &usize| &self.indices[index].shards;
        self.current.alive.iter().flat_map(shards).any(|shard| {
            let in_sync = || shard.copies.iter().filter(|copy| copy.in_sync);
            in_sync().any(|copy| !self.is_well(copy.node))
                && in_sync().any(|copy| self.is_well(copy.node))
        })
    }

    /// Brings a node that was down or cut off back into the cluster.
    pub(crate) fn rejoin(&mut self, node: usize) {
        let crashed = !self.nodes[node].up;
        self.nodes[node].up = true;
        self.nodes[node].cut_off = None;
        for index in &mut self.indices {
            for shard in &mut index.shards {
                shard.rejoin(node);
                if crashed {
                    let copies = shard.copies.iter_mut();
                    copies
                        .filter(|copy| copy.node == node)
                        .for_each(Copy::refresh);
                }
            }
        }
        self.change(|_| {});
    }

    /// Returns the position in `Shard::copies` of each copy that the node `from` can reach.
    pub(crate) fn reached(&self, from: usize, index: usize, shard: usize) -> Vec<usize> {
        let copies = &self.indices[index].shards[shard].copies;
        (0..copies.len())
            .filter(|&copy| self.reaches(from, copies[copy].node))
            .filter(|&copy| copies[copy].in_sync || self.nodes[from].cut_off.is_some())
            .collect()
    }
}
