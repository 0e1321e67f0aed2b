//! Stores the documents of the last observation of the index, and compares them with the next
//! observation. The differences show which operations happened between the two observations.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::Entry;
use super::observation_feed::{Observation, SeenDocument};
use crate::history::build_record::{RecordedBy, Seen, record_of};
use crate::history::classify_operation::Before;
use crate::history::record::Operation;

/// The known documents of one index. The document limit of the polls also bounds the number of
/// known documents.
#[derive(Debug, Default)]
pub(super) struct Documents {
    index_uuid: String,
    history_uuid: String,
    by_id: HashMap<Box<str>, Known>,
    /// The `_seq_no`s of the documents that could not be recorded, because the identity of their
    /// operations is not known. Each operation without a known identity is counted as unseen once.
    unidentified: HashMap<Box<str>, u64>,
    /// The time of the previous observation; `None` before the first complete observation.
    seen_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Known {
    document: SeenDocument,
    primary_term: u64,
}

impl Known {
    fn is_same(&self, seq_no: u64, primary_term: Option<u64>) -> bool {
        (self.document.seq_no, Some(self.primary_term)) == (seq_no, primary_term)
    }
}

impl Documents {
    /// Returns the history uuid if this is the first observation of its index. Before the caller
    /// compares the first observation of an index, it can [learn](Self::learn) the documents of the
    /// last records.
    pub(super) fn is_first<'a>(&self, observation: &'a Observation) -> Option<&'a str> {
        let is_known = self.index_uuid == observation.index_uuid && self.seen_at.is_some();
        let history_uuid = observation.history_uuid.as_deref();
        history_uuid.filter(|_| observation.is_full && !is_known)
    }

    /// Stores the documents that exist according to the last records of the observed index. Returns
    /// how many documents of the observation are already recorded.
    pub(super) fn learn(&mut self, observation: &Observation, last: Vec<SeenDocument>) -> u64 {
        let known = last.into_iter().filter_map(|document| {
            let primary_term = document.primary_term?;
            let known = Known {
                document,
                primary_term,
            };
            Some((known.document.id.clone(), known))
        });
        *self = Self {
            index_uuid: observation.index_uuid.clone(),
            history_uuid: observation.history_uuid.clone().unwrap_or_default(),
            by_id: known.collect(),
            ..Self::default()
        };
        let is_recorded = |seen: &&SeenDocument| {
            self.by_id
                .get(&seen.id)
                .is_some_and(|known| known.is_same(seen.seq_no, seen.primary_term))
        };
        observation.documents.iter().filter(is_recorded).count() as u64
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
                ..Self::default()
            };
        }
        if observation.is_full {
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
            // The numbers after a restore cannot be compared with the numbers before the restore.
            let range = if is_restored {
                (None, None)
            } else {
                (observation.complete_until, observation.max_seq_no)
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
        let known = self.by_id.get(&document.id);
        let is_same = |known: &Known| known.is_same(document.seq_no, Some(primary_term));
        if !is_restored && known.is_some_and(is_same) {
            return 0;
        }
        let before = match known {
            Some(known) => Before::Stored(&known.document.source),
            None if self.seen_at.is_some() || document.version == Some(1) => Before::Absent,
            None => Before::Unknown,
        };
        let versions = known
            .map(|known| known.document.version)
            .zip(Some(document.version));
        let unseen = match versions {
            Some((Some(before), Some(after))) if !is_restored => {
                after.saturating_sub(before).saturating_sub(1)
            }
            _ => 0,
        };
        push_some(self.entry(&document, primary_term, before, by), push);
        let known = Known {
            document,
            primary_term,
        };
        self.by_id.insert(known.document.id.clone(), known);
        unseen
    }

    /// Returns 1 if the operation that wrote the document is neither recorded nor counted as unseen
    /// yet, and 0 otherwise.
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

    /// Forgets the documents in `unidentified` that no longer exist. So the document limit of the
    /// polls also bounds the length of this map.
    fn forget_unidentified(&mut self, documents: &[SeenDocument]) {
        if !self.unidentified.is_empty() {
            let present: HashSet<&str> = documents.iter().map(|one| &*one.id).collect();
            self.unidentified.retain(|id, _| present.contains(&**id));
        }
    }

    /// Makes an entry for each known document that a complete observation does not contain. A
    /// search does not return the number of a deletion, so the entry contains only a range for this
    /// number.
    fn absorb_deletions(
        &mut self,
        documents: &[SeenDocument],
        (after, until): (Option<u64>, Option<u64>),
        by: &RecordedBy,
        push: &mut impl FnMut(Entry),
    ) {
        if self.by_id.is_empty() {
            return;
        }
        let present: HashSet<&str> = documents.iter().map(|document| &*document.id).collect();
        let missing: Vec<Box<str>> = self
            .by_id
            .keys()
            .filter(|id| !present.contains(&***id))
            .cloned()
            .collect();
        for id in missing {
            let Some(last) = self.by_id.remove(&id) else {
                continue;
            };
            let operation = self.operation(last.document.seq_no, last.primary_term);
            let seen = Seen {
                directive: &id,
                operation,
                version: None,
                before: Before::Stored(&last.document.source),
                after: None,
                not_before: self.seen_at,
            };
            let after = after.unwrap_or_default().max(last.document.seq_no);
            let entry = Entry::of_unnumbered_deletion(record_of(&seen, by), after, until);
            push_some(entry, push);
        }
    }

    /// Makes an entry for the latest version of a directive. The new entry replaces an entry that
    /// did not fit into the queue.
    pub(super) fn entry_again(&self, id: &str, by: &RecordedBy) -> Option<Entry> {
        let known = self.by_id.get(id)?;
        self.entry(&known.document, known.primary_term, Before::Unknown, by)
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

    fn operation(&self, seq_no: u64, primary_term: u64) -> Operation<'_> {
        Operation {
            index_uuid: &self.index_uuid,
            history_uuid: &self.history_uuid,
            primary_term,
            seq_no,
        }
    }
}

fn push_some(entry: Option<Entry>, push: &mut impl FnMut(Entry)) {
    if let Some(entry) = entry {
        push(entry);
    }
}
