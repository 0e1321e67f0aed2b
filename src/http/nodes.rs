//! Determines the order in which the client tries the nodes: first the node that responded to the
//! last request, then the other live nodes, and finally the dead nodes.
//!
//! If a node fails, it counts as dead for one second. Each further consecutive failure of the node
//! doubles the time for which it counts as dead, up to a minute. If no live node responds, the
//! client also tries the dead nodes, in the order in which they become live again.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use url::Url;

const REVIVE_AFTER: Duration = Duration::from_secs(1);
const REVIVE_AFTER_AT_MOST: Duration = Duration::from_secs(60);

/// Whether a node is alive or dead. The client tries a dead node only if no live node responds.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum NodeStatus {
    /// The node responded to its last request, or has not received a request yet.
    Alive,
    /// The node did not respond to its last request, or refused a request that another node served.
    Dead,
}

/// A node and its state.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct NodeState {
    /// The address of the node.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uri"))]
    pub url: Url,
    /// Whether the node is alive.
    pub status: NodeStatus,
    /// The number of consecutive failed requests.
    pub failures: u32,
}

#[derive(Debug)]
struct Node {
    url: Url,
    failures: u32,
    dead_until: Option<Instant>,
    /// True if the node's last response had status 401, 403 or 500. Another node may serve a
    /// request that one node has refused with status 401, 403 or 500.
    has_refused: bool,
}

/// The nodes of one cluster, the failures of each node, and the node that the client tries first.
#[derive(Debug)]
pub(crate) struct Nodes {
    nodes: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    nodes: Vec<Node>,
    /// The position in `nodes` of the node that the client tries first.
    preferred: usize,
}

impl Nodes {
    /// Creates the list of the nodes at the given addresses. `start` modulo the number of nodes is
    /// the position of the node that the client tries first.
    pub(crate) fn new(urls: &[Url], start: u64) -> Self {
        let nodes: Vec<Node> = urls
            .iter()
            .map(|url| Node {
                url: url.clone(),
                failures: 0,
                dead_until: None,
                has_refused: false,
            })
            .collect();
        let preferred = usize::try_from(start % nodes.len().max(1) as u64).unwrap_or(0);
        Self {
            nodes: Mutex::new(Inner { nodes, preferred }),
        }
    }

    /// Returns the positions of the nodes, in the order in which the client should try them. The
    /// live nodes come first, starting with the preferred node. The dead nodes follow, ordered by
    /// the time at which they become live again.
    pub(crate) fn order(&self, now: Instant) -> Vec<usize> {
        let inner = self.lock();
        let count = inner.nodes.len();
        let mut order: Vec<usize> = (0..count)
            .map(|offset| (inner.preferred + offset) % count)
            .collect();
        // The sort is stable, so the live nodes keep their order.
        order.sort_by_key(|&index| inner.nodes[index].dead_until.filter(|&until| until > now));
        order
    }

    pub(crate) fn url(&self, node_index: usize) -> String {
        self.lock()
            .nodes
            .get(node_index)
            .map(|node| node.url.to_string())
            .unwrap_or_default()
    }

    /// Returns a guard for one request to a node, with which the caller reports the result of the
    /// request.
    ///
    /// If the caller drops the returned `Attempt` without reporting a response, the request counts
    /// as failed. For example, if a node does not respond before the deadline of a poll, it counts
    /// as failed, so the next poll tries another node first.
    pub(crate) fn attempt(&self, node_index: usize) -> Attempt<'_> {
        Attempt {
            nodes: self,
            node_index,
        }
    }

    fn succeeded(&self, node_index: usize) {
        let mut inner = self.lock();
        inner.preferred = node_index;
        if let Some(node) = inner.nodes.get_mut(node_index) {
            node.failures = 0;
            node.dead_until = None;
            node.has_refused = false;
        }
    }

    fn refused(&self, node_index: usize) {
        if let Some(node) = self.lock().nodes.get_mut(node_index) {
            node.has_refused = true;
        }
        self.prefer_another(node_index);
    }

    /// Returns true if a node has failed, or if the node has refused a request that another node
    /// may serve.
    pub(crate) fn has_better_than(&self, node_index: usize) -> bool {
        let nodes = &self.lock().nodes;
        nodes.get(node_index).is_some_and(|node| {
            let has_other = nodes.len() > 1;
            // The given node need not be excluded here, because `another_may_serve` matters only if
            // the given node has refused a request.
            let another_may_serve = nodes.iter().any(|other| !other.has_refused);
            has_other && (node.failures > 0 || node.has_refused && another_may_serve)
        })
    }

    /// Records that a node did not serve a request, so that the node counts as dead for a while.
    pub(crate) fn failed(&self, node_index: usize, now: Instant) {
        let mut inner = self.lock();
        if let Some(node) = inner.nodes.get_mut(node_index) {
            let doublings = node.failures.min(6);
            node.failures = node.failures.saturating_add(1);
            let pause = (REVIVE_AFTER * (1 << doublings)).min(REVIVE_AFTER_AT_MOST);
            node.dead_until = now.checked_add(pause);
        }
    }

    /// Marks a node as failed, even if the node has responded, and makes another node the preferred
    /// node.
    pub(crate) fn avoid(&self, node_index: usize, now: Instant) {
        self.failed(node_index, now);
        self.prefer_another(node_index);
    }

    /// Makes another node the preferred node, so that the client does not try the given node first,
    /// even when the given node is live again.
    pub(crate) fn prefer_another(&self, node_index: usize) {
        let mut inner = self.lock();
        if inner.preferred == node_index {
            inner.preferred = (node_index + 1) % inner.nodes.len().max(1);
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
        super::lock(&self.nodes)
    }
}

/// A request that was sent to a node and has received no response yet.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    nodes: &'a Nodes,
    node_index: usize,
}

impl Attempt<'_> {
    /// Reports that the node responded to the request.
    pub(crate) fn succeeded(self) {
        self.nodes.succeeded(self.node_index);
        // A dropped `Attempt` counts as a failure of the node, so a successful attempt is forgotten
        // instead.
        std::mem::forget(self);
    }

    /// Reports that the node refused the request, because of its own fault or by a decision of the
    /// cluster.
    pub(crate) fn refused(self) {
        self.nodes.refused(self.node_index);
        std::mem::forget(self);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.nodes.failed(self.node_index, Instant::now());
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
    async fn the_node_that_responded_last_is_tried_first() {
        let nodes = nodes(3, 4);
        assert_eq!(nodes.order(Instant::now()), [1, 2, 0]);
        nodes.succeeded(2);
        assert_eq!(nodes.order(Instant::now()), [2, 0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_node_is_tried_last_until_its_pause_ends() {
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
        nodes.succeeded(0);
        assert_eq!(nodes.states()[0].failures, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_avoided_node_is_not_tried_first_again() {
        let nodes = nodes(3, 2);
        nodes.avoid(2, Instant::now());
        assert_eq!(nodes.order(Instant::now()), [0, 1, 2]);
        tokio::time::advance(REVIVE_AFTER).await;
        assert_eq!(nodes.order(Instant::now()), [0, 1, 2]);
        nodes.avoid(1, Instant::now());
        assert_eq!(nodes.order(Instant::now()), [0, 2, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_node_that_refuses_is_avoided_but_not_if_all_refuse() {
        let nodes = nodes(2, 0);
        nodes.attempt(0).refused();
        assert_eq!(nodes.order(Instant::now()), [1, 0]);
        assert!(nodes.has_better_than(0));
        nodes.attempt(1).refused();
        assert!(!nodes.has_better_than(0) && !nodes.has_better_than(1));
        assert_eq!(nodes.states()[0].status, NodeStatus::Alive);
        nodes.attempt(1).succeeded();
        assert!(nodes.has_better_than(0));
    }

    #[tokio::test(start_paused = true)]
    async fn if_all_nodes_are_dead_all_are_still_tried() {
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
