//! Which node to ask: the one that answered last, else the next that may be alive.
//!
//! A node that fails is marked dead and is not asked again until its time is up,
//! one second after the first failure and twice as long after each further one, up
//! to a minute; unless all are dead, when the one whose time is up first is asked.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use url::Url;

const REVIVE_AFTER: Duration = Duration::from_secs(1);
const REVIVE_AFTER_AT_MOST: Duration = Duration::from_mins(1);

/// Whether a node is asked.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum NodeStatus {
    /// It answered when it was asked last, or was not asked yet.
    Alive,
    /// It did not answer when it was asked last.
    Dead,
}

/// A node and how it does.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct NodeState {
    /// Its address.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uri"))]
    pub url: Url,
    /// Whether it is asked.
    pub status: NodeStatus,
    /// How often in a row it has failed.
    pub failures: u32,
}

#[derive(Debug)]
struct Node {
    url: Url,
    failures: u32,
    dead_until: Option<Instant>,
}

/// The nodes of one cluster.
#[derive(Debug)]
pub(crate) struct Nodes {
    nodes: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    nodes: Vec<Node>,
    /// The one to ask first.
    preferred: usize,
}

impl Nodes {
    /// `start` picks the node to begin with.
    pub(crate) fn new(urls: &[Url], start: u64) -> Self {
        let nodes: Vec<Node> = urls
            .iter()
            .map(|url| Node {
                url: url.clone(),
                failures: 0,
                dead_until: None,
            })
            .collect();
        let preferred = usize::try_from(start % nodes.len().max(1) as u64).unwrap_or(0);
        Self {
            nodes: Mutex::new(Inner { nodes, preferred }),
        }
    }

    /// The places of the nodes in the order in which to ask them: first those that may
    /// be alive, from the preferred one on, then the dead by when their time is up.
    pub(crate) fn order(&self, now: Instant) -> Vec<usize> {
        let inner = self.lock();
        let count = inner.nodes.len();
        let mut order: Vec<usize> = (0..count)
            .map(|offset| (inner.preferred + offset) % count)
            .collect();
        // Stable, so that the living keep their turn.
        order.sort_by_key(|&place| inner.nodes[place].dead_until.filter(|&until| until > now));
        order
    }

    pub(crate) fn url(&self, place: usize) -> String {
        self.lock()
            .nodes
            .get(place)
            .map(|node| node.url.to_string())
            .unwrap_or_default()
    }

    /// Asks a node: it has failed unless it is said to have answered, also when nobody
    /// waits for it any longer. Else one that does not answer within the deadline of a
    /// poll would be the first to be asked for ever.
    pub(crate) fn ask(&self, place: usize) -> Asked<'_> {
        Asked { nodes: self, place }
    }

    fn answered(&self, place: usize) {
        let mut inner = self.lock();
        inner.preferred = place;
        if let Some(node) = inner.nodes.get_mut(place) {
            node.failures = 0;
            node.dead_until = None;
        }
    }

    fn failed(&self, place: usize, now: Instant) {
        let mut inner = self.lock();
        if let Some(node) = inner.nodes.get_mut(place) {
            let doublings = node.failures.min(6);
            node.failures = node.failures.saturating_add(1);
            let pause = (REVIVE_AFTER * (1 << doublings)).min(REVIVE_AFTER_AT_MOST);
            node.dead_until = now.checked_add(pause);
        }
    }

    /// As if it had failed, also if it answered something; and another is preferred.
    pub(crate) fn left(&self, place: usize, now: Instant) {
        self.failed(place, now);
        self.prefer_another(place);
    }

    /// The node is not the first to be asked, also when its time is up.
    pub(crate) fn prefer_another(&self, place: usize) {
        let mut inner = self.lock();
        if inner.preferred == place {
            inner.preferred = (place + 1) % inner.nodes.len().max(1);
        }
    }

    pub(crate) fn states(&self) -> Vec<NodeState> {
        self.lock()
            .nodes
            .iter()
            .map(|node| NodeState {
                url: node.url.clone(),
                status: if node.failures == 0 {
                    NodeStatus::Alive
                } else {
                    NodeStatus::Dead
                },
                failures: node.failures,
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No step under the lock leaves it half changed.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A node that is being asked.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    nodes: &'a Nodes,
    place: usize,
}

impl Asked<'_> {
    /// The node answered.
    pub(crate) fn answered(self) {
        self.nodes.answered(self.place);
        // It has not failed.
        std::mem::forget(self);
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.nodes.failed(self.place, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn nodes(count: usize, start: u64) -> Nodes {
        let urls: Vec<Url> = (0..count)
            .map(|n| format!("http://n{n}").parse().unwrap())
            .collect();
        Nodes::new(&urls, start)
    }

    #[tokio::test(start_paused = true)]
    async fn the_node_that_answered_last_is_asked_first() {
        let nodes = nodes(3, 4);
        assert_eq!(nodes.order(Instant::now()), [1, 2, 0]);
        nodes.answered(2);
        assert_eq!(nodes.order(Instant::now()), [2, 0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_node_comes_last_until_its_time_is_up() {
        let nodes = nodes(3, 0);
        nodes.failed(0, Instant::now());
        assert_eq!(nodes.order(Instant::now()), [1, 2, 0]);
        assert_eq!(nodes.states()[0].status, NodeStatus::Dead);
        tokio::time::advance(REVIVE_AFTER).await;
        assert_eq!(nodes.order(Instant::now()), [0, 1, 2]);
        nodes.failed(0, Instant::now());
        tokio::time::advance(REVIVE_AFTER).await;
        assert_eq!(nodes.order(Instant::now()), [1, 2, 0]);
        tokio::time::advance(REVIVE_AFTER).await;
        assert_eq!(nodes.order(Instant::now()), [0, 1, 2]);
        nodes.answered(0);
        assert_eq!(nodes.states()[0].failures, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_was_left_is_not_the_first_again() {
        let nodes = nodes(3, 2);
        nodes.left(2, Instant::now());
        assert_eq!(nodes.order(Instant::now()), [0, 1, 2]);
        tokio::time::advance(REVIVE_AFTER).await;
        assert_eq!(nodes.order(Instant::now()), [0, 1, 2]);
        nodes.left(1, Instant::now());
        assert_eq!(nodes.order(Instant::now()), [0, 2, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_are_dead_all_are_still_asked() {
        let nodes = nodes(2, 0);
        nodes.failed(0, Instant::now());
        nodes.failed(0, Instant::now());
        nodes.failed(1, Instant::now());
        assert_eq!(nodes.order(Instant::now()), [1, 0]);
        for _ in 0..100 {
            nodes.failed(1, Instant::now());
        }
        tokio::time::advance(REVIVE_AFTER_AT_MOST).await;
        assert_eq!(nodes.order(Instant::now()), [0, 1]);
    }
}
