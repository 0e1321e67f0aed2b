//! Finds the documents that were deleted: the known documents that a complete observation no longer
//! contains.

use std::collections::HashSet;

use jiff::Timestamp;

use super::Entry;
use super::known_documents::{Documents, push_some};
use super::observation_feed::SeenDocument;
use crate::history::build_record::{RecordedBy, Seen, record_of};
use crate::history::classify_operation::Before;

/// The bounds of the `_seq_no`s and of the time of the deletions that a complete observation shows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DeletionRange {
    pub(super) after: Option<u64>,
    pub(super) until: Option<u64>,
    pub(super) after_time: Option<Timestamp>,
}

impl Documents {
    /// Makes an entry for each known document that a complete observation does not contain. A
    /// search returns neither the `_seq_no` nor the time of a deletion, so the entry contains only
    /// a range for each of them.
    pub(super) fn absorb_deletions(
        &mut self,
        documents: &[SeenDocument],
        range: DeletionRange,
        by: &RecordedBy,
        push: &mut impl FnMut(Entry),
    ) {
        self.absent_until = None;
        self.deleted.forget_old(by.at);
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
            let invisible_until = self.by_id.get(&id).and_then(|known| known.invisible_until);
            if let Some(until) = invisible_until.filter(|until| by.at < *until) {
                let earliest = self
                    .absent_until
                    .map_or(until, |earliest| earliest.min(until));
                self.absent_until = Some(earliest);
                continue;
            }
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
            // If no observation has contained the document, the deletion may have happened before
            // the previous observation.
            let range = if last.invisible_until.is_none() {
                range
            } else {
                DeletionRange {
                    until: range.until,
                    ..DeletionRange::default()
                }
            };
            let after = range.after.unwrap_or_default().max(last.document.seq_no);
            let mut record = record_of(&seen, by);
            record.deleted_after = range.after_time;
            let entry = Entry::of_unnumbered_deletion(record, after, range.until);
            push_some(entry, push);
            if let Some(version) = last.document.version {
                self.deleted.insert(&id, version.saturating_add(1), by.at);
            }
        }
    }
}
