//! Whether the nodes have shown that they are in touch with the elected cluster manager.
//!
//! ```text
//!  Unversioned ──▶ Confirmed ──▶ Doubtful: an older version, or none any more
//!       ▲              ▲            │  │
//!       │              └────────────┘  │  it is current again, or older for a minute
//!       └──────────────────────────────┘  it is withheld for a minute
//! ```

use std::time::Duration;

use tokio::time::Instant;

use super::older_observation_rules::ManagerFinding;
use crate::rest::ClusterVersion;

/// How long a confirmation counts, and how long a doubt lasts. A cluster manager that lost the
/// other nodes steps down within 40 seconds with the default settings.
pub(super) const CONFIRM_AFTER: Duration = Duration::from_mins(1);

/// What the nodes returned for the version of the cluster state.
#[derive(Debug)]
pub(super) enum ManagerContact {
    /// No node has ever returned a version, or none has for a minute.
    Unversioned { confirmation: Option<Confirmation> },
    /// A node returned a version that is not older than any before.
    Confirmed {
        newest: ClusterVersion,
        confirmation: Confirmation,
    },
    /// The nodes return an older version, or none. Polls fail.
    Doubtful {
        newest: ClusterVersion,
        since: Instant,
    },
}

/// Which node was in touch with the manager, and until when that counts.
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
    /// Whether a node has to show again that it is in touch.
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

    /// The newest version that was seen.
    pub(super) fn newest(&self) -> Option<&ClusterVersion> {
        match self {
            Self::Unversioned { .. } => None,
            Self::Confirmed { newest, .. } | Self::Doubtful { newest, .. } => Some(newest),
        }
    }

    /// Compares a response with the newest version, and begins to doubt if it is older or
    /// withheld.
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

    /// Accepts what a node returned.
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
