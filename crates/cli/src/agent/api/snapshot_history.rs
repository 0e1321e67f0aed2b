//! Remembers which directives changed between the most recent snapshots. If a client has one of the
//! most recent snapshots, the agent sends the client only the differences from this snapshot.
//!
//! The history stores only the ids of the changed directives, because their present content is in
//! the current snapshot.

use std::collections::VecDeque;
use std::sync::Arc;

use opensearch_directives::internal::SnapshotChanges;

/// The maximum number of ids of changed directives in the whole history. With ids of the usual
/// length, the history takes about 1 MB; with ids of the maximum length, it takes at most about 10
/// MB.
const MAX_IDS: usize = 16_384;
/// The maximum number of snapshots in the history.
const MAX_SNAPSHOTS: usize = 1_024;

/// The tags of the most recent snapshots, and the ids of the directives that changed from each
/// snapshot to the next.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The snapshots that newer ones have replaced, from the oldest to the newest.
    snapshots: VecDeque<Past>,
    ids: usize,
}

/// The tag of a replaced snapshot, and the changes from this snapshot to the one that replaced it.
#[derive(Debug)]
struct Past {
    tag: Arc<str>,
    /// The changes from this snapshot to the snapshot that replaced it.
    changes: SnapshotChanges,
}

impl History {
    /// The maximum number of changed directives for which the agent sends differences; after more
    /// changes, it sends the whole snapshot.
    pub(super) const MAX_CHANGES: usize = MAX_IDS;

    /// Records that a newer snapshot has replaced the snapshot with the given tag. If `changes` is
    /// `None`, the changes are unknown or too many, so the history forgets all earlier snapshots.
    pub(super) fn replace(&mut self, tag: Arc<str>, changes: Option<SnapshotChanges>) {
        let Some(changes) = changes else {
            *self = Self::default();
            return;
        };
        self.ids += changes.ids.len();
        self.snapshots.push_back(Past { tag, changes });
        while self.ids > MAX_IDS || self.snapshots.len() > MAX_SNAPSHOTS {
            let Some(oldest) = self.snapshots.pop_front() else {
                return;
            };
            self.ids -= oldest.changes.ids.len();
        }
    }

    /// Returns the changes from the snapshot with the given tag to the current snapshot. Returns
    /// `None` if the history contains no snapshot with this tag.
    pub(super) fn changes_since(&self, tag: &str) -> Option<SnapshotChanges> {
        // If the history contains the same snapshot twice, the search starts at the later
        // occurrence, because fewer changes followed it.
        let position = self.snapshots.iter().rposition(|past| *past.tag == *tag)?;
        let mut sum = SnapshotChanges::default();
        for past in self.snapshots.range(position..) {
            sum.extend(&past.changes);
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn changes(ids: impl IntoIterator<Item = usize>) -> SnapshotChanges {
        SnapshotChanges {
            ids: ids.into_iter().map(|id| id.to_string().into()).collect(),
            ..SnapshotChanges::default()
        }
    }

    fn ids_since(history: &History, tag: &str) -> Option<Vec<String>> {
        let changes = history.changes_since(tag)?;
        Some(changes.ids.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_changes_since_a_snapshot_are_those_of_all_later_publishes() {
        let mut history = History::default();
        history.replace("a".into(), Some(changes([1])));
        history.replace("b".into(), Some(changes([1, 2])));
        history.replace("c".into(), Some(changes([3])));
        assert_eq!(ids_since(&history, "a").unwrap(), ["1", "2", "3"]);
        assert_eq!(ids_since(&history, "c").unwrap(), ["3"]);
        assert_eq!(ids_since(&history, "unknown"), None);
        history.replace("d".into(), None);
        assert_eq!(ids_since(&history, "a"), None);
    }

    #[test]
    fn the_history_is_bounded() {
        let mut history = History::default();
        for n in 0..2 * MAX_SNAPSHOTS {
            history.replace(n.to_string().into(), Some(changes([n])));
        }
        assert_eq!(history.snapshots.len(), MAX_SNAPSHOTS);
        assert_eq!(ids_since(&history, "0"), None);
        history.replace("large".into(), Some(changes(0..MAX_IDS)));
        assert_eq!((history.snapshots.len(), history.ids), (1, MAX_IDS));
        history.replace("small".into(), Some(changes([1])));
        assert_eq!(ids_since(&history, "large"), None);
        assert_eq!(ids_since(&history, "small").unwrap(), ["1"]);
    }
}
