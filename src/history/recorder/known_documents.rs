//! Stores the documents of the last observation of the index, and compares them with the next
//! observation. The differences between two observations show which operations happened between
//! them.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::Entry;
use super::absent_documents::DeletionRange;
use super::last_records::LastDocument;
use super::observation_feed::{Observation, SeenDocument};
use super::recent_deletions::RecentDeletions;
use crate::history::build_record::{RecordedBy, Seen, record_of};
use crate::history::classify_operation::Before;
use crate::history::record::Operation;

/// For this time after a write, searches may not return the document yet.
const INVISIBLE: SignedDuration = SignedDuration::from_secs(60);
/// If the last records could not be read, the recorder reads them again after this time.
const READ_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// The known documents of one index. The document limit of the polls also bounds the number of
/// known documents.
#[derive(Debug, Default)]
pub(super) struct Documents {
    index_uuid: String,
    history_uuid: String,
    pub(super) by_id: HashMap<Box<str>, Known>,
    /// The `_seq_no`s of the documents that could not be recorded, because the identity of their
    /// operations is not known. Each operation without a known identity is counted as unseen once.
    unidentified: HashMap<Box<str>, u64>,
    /// The documents that were deleted recently.
    pub(super) deleted: RecentDeletions,
    /// The time of the previous observation; `None` before the first complete observation.
    pub(super) seen_at: Option<Timestamp>,
    /// Whether the last records of the index were read.
    has_learned: bool,
    /// Whether a complete observation is needed at once.
    needs_full_now: bool,
    /// If the last records could not be read, they are read again from this instant on.
    read_again_at: Option<Timestamp>,
    /// The earliest `invisible_until` of the documents that the last complete observation lacked.
    pub(super) absent_until: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) document: SeenDocument,
    pub(super) primary_term: u64,
    /// `invisible_until` is set if the document is known from a record, and no observation has
    /// contained it yet. Before this instant, the absence of the document does not count as a
    /// deletion, because a search may not return the document yet.
    pub(super) invisible_until: Option<Timestamp>,
}

impl Known {
    fn is_same(&self, seq_no: u64, primary_term: Option<u64>) -> bool {
        (self.document.seq_no, Some(self.primary_term)) == (seq_no, primary_term)
    }

    fn precedes(&self, seq_no: u64, primary_term: u64) -> bool {
        self.primary_term == primary_term && self.document.seq_no < seq_no
    }
}

impl Documents {
    /// Returns the history uuid of an observation if the last records of its index were not read
    /// yet. The caller passes the documents of the last records to [`learn`](Self::learn) before it
    /// compares the observation.
    pub(super) fn needs_last_records<'a>(&self, observation: &'a Observation) -> Option<&'a str> {
        let has_learned = self.index_uuid == observation.index_uuid && self.has_learned;
        let history_uuid = observation.history_uuid.as_deref();
        history_uuid.filter(|_| observation.is_full && !has_learned)
    }

    /// Stores the documents that exist according to the last records of the observed index. Returns
    /// how many documents of the observation are already recorded.
    ///
    /// If earlier observations were compared before the records could be read, the method adds only
    /// the documents that these observations did not contain.
    pub(super) fn learn(&mut self, observation: &Observation, last: Vec<LastDocument>) -> u64 {
        let history_uuid = observation.history_uuid.clone().unwrap_or_default();
        if self.index_uuid != observation.index_uuid || self.seen_at.is_none() {
            *self = Self {
                index_uuid: observation.index_uuid.clone(),
                history_uuid,
                ..Self::default()
            };
        } else if self.history_uuid != history_uuid {
            (self.has_learned, self.read_again_at) = (true, None);
            return 0;
        }
        (self.has_learned, self.read_again_at) = (true, None);
        let present: HashMap<&str, &SeenDocument> = observation
            .documents
            .iter()
            .map(|document| (&*document.id, document))
            .collect();
        let mut already_recorded = 0;
        for LastDocument {
            document,
            recorded_at,
        } in last
        {
            let Some(primary_term) = document.primary_term else {
                continue;
            };
            if self.by_id.contains_key(&document.id) {
                continue;
            }
            let seen = present.get(&*document.id);
            // A forged record can state any time, so a time after the observation counts as the
            // time of the observation.
            let invisible_until = recorded_at.min(observation.seen_at);
            let invisible_until = invisible_until.saturating_add(INVISIBLE);
            let known = Known {
                invisible_until: match seen {
                    Some(_) => None,
                    None => Some(invisible_until.unwrap_or(Timestamp::MAX)),
                },
                document,
                primary_term,
            };
            let is_recorded = |seen: &SeenDocument| known.is_same(seen.seq_no, seen.primary_term);
            already_recorded += u64::from(seen.is_some_and(|seen| is_recorded(seen)));
            self.by_id.insert(known.document.id.clone(), known);
        }
        already_recorded
    }

    /// Notes that the last records could not be read. The recorder reads the last records again at
    /// a later complete observation.
    pub(super) fn learn_later(&mut self, observation: &Observation) {
        if self.index_uuid != observation.index_uuid {
            *self = Self {
                index_uuid: observation.index_uuid.clone(),
                ..Self::default()
            };
        }
        self.read_again_at = observation.seen_at.saturating_add(READ_AGAIN).ok();
    }

    /// Returns the instant from which the recorder needs a complete observation; `None` if it needs
    /// none. A complete observation shows, for example, whether documents were deleted.
    pub(super) fn needs_full_from(&self) -> Option<Timestamp> {
        let now = self.needs_full_now.then_some(Timestamp::MIN);
        let all = [now, self.absent_until, self.read_again_at];
        all.into_iter().flatten().min()
    }

    /// Returns a state that knows no document, and that requests a complete observation to learn
    /// all documents.
    pub(super) fn forgotten() -> Self {
        Self {
            needs_full_now: true,
            ..Self::default()
        }
    }

    /// Compares an observation with the known documents, and makes an entry for each operation.
    /// Returns how many operations can no longer be recorded, because a later write replaced their
    /// documents or their identity is not known.
    pub(super) fn absorb(
        &mut self,
        observation: Observation,
        by: &RecordedBy,
        mut push: impl FnMut(Entry),
    ) -> u64 {
        if self.index_uuid != observation.index_uuid {
            // The configured name now refers to another index, whose documents are not known yet.
            *self = Self {
                index_uuid: observation.index_uuid,
                needs_full_now: self.needs_full_now,
                ..Self::default()
            };
        }
        if observation.is_full {
            self.needs_full_now = false;
            self.forget_unidentified(&observation.documents);
        }
        let Some(history_uuid) = observation.history_uuid else {
            // If the history uuid is not known, no operation can be recorded, because two
            // operations could have the same identity.
            let documents = observation.documents.iter();
            return documents.map(|one| self.count_unidentified(one)).sum();
        };
        if !observation.is_full && self.seen_at.is_none() {
            return 0;
        }
        let is_restored = self.history_uuid != history_uuid;
        if observation.is_full {
            // The `_seq_no`s after a restore cannot be compared with those before the restore.
            let range = if is_restored {
                DeletionRange::default()
            } else {
                DeletionRange {
                    after: observation.complete_until,
                    until: observation.max_seq_no,
                    after_time: observation.not_assigned_at,
                }
            };
            self.absorb_deletions(&observation.documents, range, by, &mut push);
        }
        self.history_uuid = history_uuid;
        let mut unseen = 0;
        for document in observation.documents {
            unseen += self.absorb_document(document, is_restored, by, &mut push);
        }
        self.seen_at = Some(observation.seen_at);
        unseen
    }

    fn absorb_document(
        &mut self,
        document: SeenDocument,
        is_restored: bool,
        by: &RecordedBy,
        push: &mut impl FnMut(Entry),
    ) -> u64 {
        let Some(primary_term) = document.primary_term else {
            return self.count_unidentified(&document);
        };
        if let Some(known) = self.by_id.get_mut(&document.id) {
            known.invisible_until = None;
        }
        let known = self.by_id.get(&document.id);
        let is_same = |known: &Known| known.is_same(document.seq_no, Some(primary_term));
        if !is_restored && known.is_some_and(is_same) {
            return 0;
        }
        let last_version = match known {
            Some(known) => known.document.version,
            None => self.deleted.version(&document.id, by.at),
        };
        let versions = last_version.zip(document.version);
        let is_next = versions.is_none_or(|(last, next)| next == last.saturating_add(1));
        let is_later = versions.is_none_or(|(last, next)| next > last);
        let (before, is_exact) = match known {
            Some(known) if is_restored => (Before::Stored(&known.document.source), true),
            // The document was created after the previous observation, possibly after a deletion
            // that no observation showed.
            _ if document.version == Some(1) => (Before::Absent, true),
            Some(known) if is_later => (Before::Stored(&known.document.source), is_next),
            None if last_version.is_some() && is_next => (Before::Absent, true),
            _ => (Before::Unknown, false),
        };
        let unseen = match (document.version, known) {
            _ if is_restored => 0,
            // It is not known whether the versions before the first observation are recorded.
            (_, None) if self.seen_at.is_none() => 0,
            (Some(next), None) if is_later => next
                .saturating_sub(last_version.unwrap_or_default())
                .saturating_sub(1),
            (Some(next), Some(_)) if is_later => {
                last_version.map_or(0, |last| next.saturating_sub(last).saturating_sub(1))
            }
            // The document was deleted, and the versions of the new document began again at 1.
            (Some(next), Some(last)) if last.precedes(document.seq_no, primary_term) => next,
            _ => 0,
        };
        let entry = self.entry(&document, primary_term, before, by);
        push_some(entry.map(|entry| Entry { is_exact, ..entry }), push);
        let known = Known {
            document,
            primary_term,
            invisible_until: None,
        };
        self.by_id.insert(known.document.id.clone(), known);
        unseen
    }

    /// Returns 1 if the write of the document must be counted as unseen, and 0 if the write is
    /// recorded or already counted.
    fn count_unidentified(&mut self, document: &SeenDocument) -> u64 {
        let known = self.by_id.get(&document.id);
        if known.is_some_and(|known| known.document.seq_no == document.seq_no) {
            return 0;
        }
        let counted = self
            .unidentified
            .insert(document.id.clone(), document.seq_no);
        u64::from(counted != Some(document.seq_no))
    }

    /// Forgets the documents in `unidentified` that no longer exist. The document limit of the
    /// polls therefore also bounds the length of `unidentified`.
    fn forget_unidentified(&mut self, documents: &[SeenDocument]) {
        if !self.unidentified.is_empty() {
            let present: HashSet<&str> = documents.iter().map(|one| &*one.id).collect();
            self.unidentified.retain(|id, _| present.contains(&**id));
        }
    }

    /// Makes an entry for the latest version of a directive. The new entry replaces an entry that
    /// did not fit into the queue.
    pub(super) fn entry_again(&self, id: &str, by: &RecordedBy) -> Option<Entry> {
        let known = self.by_id.get(id)?;
        let (before, is_exact) = match known.document.version {
            Some(1) => (Before::Absent, true),
            _ => (Before::Unknown, false),
        };
        let entry = self.entry(&known.document, known.primary_term, before, by)?;
        Some(Entry { is_exact, ..entry })
    }

    fn entry(
        &self,
        document: &SeenDocument,
        primary_term: u64,
        before: Before<'_>,
        by: &RecordedBy,
    ) -> Option<Entry> {
        let seen = Seen {
            directive: &document.id,
            operation: self.operation(document.seq_no, primary_term),
            version: document.version,
            before,
            after: Some(&document.source),
            not_before: self.seen_at,
        };
        Entry::of_operation(record_of(&seen, by))
    }

    pub(super) fn operation(&self, seq_no: u64, primary_term: u64) -> Operation<'_> {
        Operation {
            index_uuid: &self.index_uuid,
            history_uuid: &self.history_uuid,
            primary_term,
            seq_no,
        }
    }
}

pub(super) fn push_some(entry: Option<Entry>, push: &mut impl FnMut(Entry)) {
    if let Some(entry) = entry {
        push(entry);
    }
}
