//! Remembers which directives changed between the last snapshots. If a client has one of the last
//! snapshots, the agent needs to send only the differences.
//!
//! The history contains only the ids of these directives, because the current snapshot contains the
//! present content of these directives.

use std::collections::VecDeque;
use std::sync::Arc;

use opensearch_directives::internal::SnapshotChanges;

/// The maximum number of ids of changed directives in the whole history. If the ids have the
/// maximum length, the ids and the tags take at most about 10 MB. If the ids have a usual length,
/// the ids and the tags take about 1 MB.
const MAX_IDS: usize = 16_384;
/// The maximum number of snapshots in the history.
const MAX_SNAPSHOTS: usize = 1_024;

/// The tags of the last snapshots (`tag` in a response), and the ids of the directives that changed
/// from each snapshot to the next.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The replaced snapshots, from the oldest to the newest.
    snapshots: VecDeque<Past>,
    ids: usize,
}

/// An earlier snapshot, with the changes that followed it.
#[derive(Debug)]
struct Past {
    tag: Arc<str>,
    /// The changes from this snapshot to the snapshot that replaced it.
    changes: SnapshotChanges,
}

impl History {
    /// If more directives than this number have changed, the agent sends the whole snapshot instead
    /// of the differences.
    pub(super) const MAX_CHANGES: usize = MAX_IDS;

    /// Records that a newer snapshot replaced the snapshot with this tag. If `changes` is `None`,
    /// the differences are too large or unknown, so the history forgets all earlier snapshots.
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

    /// Returns the changes from the snapshot with this tag to the current snapshot. Returns `None`
    /// if the history does not contain this tag.
    pub(super) fn changes_since(&self, tag: &str) -> Option<SnapshotChanges> {
        // If the same snapshot was current twice, the search returns its later occurrence, because
        // fewer changes followed the later occurrence.
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
