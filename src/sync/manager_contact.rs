//! Tracks whether the nodes have proved that they have contact with the elected cluster manager.
//!
//! ```text
//!  Unversioned ──▶ Confirmed ──▶ Doubtful: an older version, or no version any more
//!       ▲              ▲            │  │
//!       │              └────────────┘  │  the version is current again, or older for a minute
//!       └──────────────────────────────┘  the version is withheld for a minute
//! ```

use std::time::Duration;

use tokio::time::Instant;

use super::older_observation_rules::ManagerFinding;
use crate::rest::ClusterVersion;

/// The time for which a node's confirmation of its contact with the cluster manager is valid: one
/// minute. If the nodes return only an older version of the cluster state, polls fail for one
/// minute and then accept the older version. One minute is long enough, because a cluster manager
/// that loses contact with the other nodes steps down within 40 seconds by default.
pub(super) const CONFIRM_AFTER: Duration = Duration::from_secs(60);

/// What the responses to all requests for the version of the cluster state say about the nodes'
/// contact with the cluster manager.
#[derive(Debug)]
pub(super) enum ManagerContact {
    /// No node has ever returned a version of the cluster state, or all nodes have returned none
    /// for a minute.
    Unversioned { confirmation: Option<Confirmation> },
    /// The last response contained a version of the cluster state that is at least as new as all
    /// earlier versions.
    Confirmed {
        newest: ClusterVersion,
        confirmation: Confirmation,
    },
    /// The last response contained an older version of the cluster state than an earlier response,
    /// or no version any more. Polls fail until a node returns a current version of the cluster
    /// state, or until a minute has passed.
    Doubtful {
        newest: ClusterVersion,
        since: Instant,
    },
}

/// The node that has confirmed its contact with the cluster manager, and the instant until which
/// the confirmation is valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Confirmation {
    node: Option<usize>,
    until: Option<Instant>,
}

impl Default for ManagerContact {
    fn default() -> Self {
        Self::Unversioned { confirmation: None }
    }
}

impl ManagerContact {
    /// Returns true if the node that serves the poll must prove again that it has contact with the
    /// cluster manager.
    pub(super) fn is_due(&self, node: Option<usize>) -> bool {
        let confirmation = match self {
            Self::Unversioned { confirmation } => *confirmation,
            Self::Confirmed { confirmation, .. } => Some(*confirmation),
            Self::Doubtful { .. } => None,
        };
        confirmation.is_none_or(|Confirmation { node: of, until }| {
            of != node || until.is_none_or(|until| Instant::now() >= until)
        })
    }

    /// Returns the newest version of the cluster state that any node has returned.
    pub(super) fn newest(&self) -> Option<&ClusterVersion> {
        match self {
            Self::Unversioned { .. } => None,
            Self::Confirmed { newest, .. } | Self::Doubtful { newest, .. } => Some(newest),
        }
    }

    /// Compares the version of the cluster state in a response with the newest version that any
    /// node has returned. `self` becomes `Doubtful` if the response contains an older version of
    /// the cluster state, or if the response contains no version although a node has returned a
    /// version earlier.
    pub(super) fn assess(&mut self, response: Option<&ClusterVersion>) -> ManagerFinding {
        let Some(newest) = self.newest().cloned() else {
            return match response {
                Some(_) => ManagerFinding::First,
                None => ManagerFinding::NotPermitted,
            };
        };
        if response.is_some_and(|version| !version.is_before(&newest)) {
            return ManagerFinding::Current;
        }
        let now = Instant::now();
        let since = match self {
            Self::Doubtful { since, .. } => *since,
            _ => now,
        };
        *self = Self::Doubtful { newest, since };
        let for_a_minute = now.duration_since(since) >= CONFIRM_AFTER;
        match response {
            Some(_) => ManagerFinding::Older { for_a_minute },
            None => ManagerFinding::Withheld { for_a_minute },
        }
    }

    /// Records that the poll has accepted a node's response to the request for the version of the
    /// cluster state.
    pub(super) fn confirm(&mut self, response: Option<ClusterVersion>, node: Option<usize>) {
        let confirmation = Confirmation {
            node,
            until: Instant::now().checked_add(CONFIRM_AFTER),
        };
        *self = match response {
            Some(newest) => Self::Confirmed {
                newest,
                confirmation,
            },
            None => Self::Unversioned {
                confirmation: Some(confirmation),
            },
        };
    }
}
