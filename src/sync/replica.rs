//! A replica: an immutable local copy of all documents of the index, as one read returned them.
//!
//! A replica contains the directive set that will be published, and the `_seq_no` of each document.
//! A replica also contains the documents that are not in the directive set because they are revoked
//! or rejected. Each read creates a new replica, which may share parts with the previous replica.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::last_authors::Authors;
use crate::rest::Aggregates;
use opensearch_directives_core::document::{Rejection, RejectionReason};
use opensearch_directives_core::internal::SignatureTable;
use opensearch_directives_core::{Digest, DirectiveSet};

/// An immutable and complete copy of one state of the index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replica {
    /// The accepted documents as directives, ordered by id.
    pub(super) set: DirectiveSet,
    pub(super) digest: Digest,
    /// The `_seq_no` of each directive, in the order of the directive set.
    pub(super) seq_nos: Box<[u64]>,
    pub(super) authors: Authors,
    /// The signatures of each signed directive, by document id. Successive replicas share one table
    /// of signatures until a signature changes.
    pub(super) signatures: Arc<SignatureTable>,
    /// The revoked and rejected documents, which are not in the directive set, by document id.
    /// Successive replicas share one map of revoked and rejected documents until such a document
    /// changes.
    pub(super) others: Arc<Others>,
    fingerprint: Fingerprint,
}

/// A document that is not in the directive set, because it is revoked or rejected.
#[derive(Clone, Debug)]
pub(super) struct Other {
    pub(super) seq_no: u64,
    /// The reason for the rejection; `None` if the document is revoked.
    pub(super) rejection: Option<Rejection>,
    /// The user who revoked the document; `None` if the document is rejected or names no user.
    pub(super) by: Option<Box<str>>,
}

/// The count, the maximum and the sum of the `_seq_no`s of all documents in a replica. If the
/// cluster computes the same count, maximum and sum for the index, the replica and the index
/// contain the same documents.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Fingerprint {
    pub(crate) documents: u64,
    pub(crate) max_seq_no: Option<u64>,
    /// The sum of all `_seq_no`s in the replica, modulo 2^64.
    pub(crate) sum_seq_no: u64,
}

impl Fingerprint {
    fn of(seq_nos: impl Iterator<Item = u64>) -> Self {
        seq_nos.fold(Self::default(), |sum, seq_no| Self {
            documents: sum.documents + 1,
            max_seq_no: sum.max_seq_no.max(Some(seq_no)),
            sum_seq_no: sum.sum_seq_no.wrapping_add(seq_no),
        })
    }

    /// Returns true if the count, the maximum and the sum in the cluster's aggregates equal the
    /// fingerprint.
    pub(crate) fn agrees_with(self, remote: &Aggregates) -> bool {
        self.documents == remote.documents
            && self.max_seq_no == remote.max_seq_no
            && self.sum_seq_no == remote.sum_seq_no
    }

    /// Returns true if the highest `_seq_no` of the fingerprint is at least the cluster's highest
    /// `_seq_no`.
    pub(crate) fn reaches(self, remote: &Aggregates) -> bool {
        remote.max_seq_no <= self.max_seq_no
    }
}

impl Replica {
    pub(super) fn new(
        set: DirectiveSet,
        digest: Digest,
        seq_nos: Vec<u64>,
        authors: Authors,
        signatures: Arc<SignatureTable>,
        others: Arc<Others>,
    ) -> Self {
        let seq_nos = seq_nos.into_boxed_slice();
        let all = seq_nos
            .iter()
            .copied()
            .chain(others.values().map(|other| other.seq_no));
        Self {
            fingerprint: Fingerprint::of(all),
            set,
            digest,
            seq_nos,
            authors,
            signatures,
            others,
        }
    }

    /// Returns the directive set, ordered by id. The returned directive set shares the replica's
    /// memory.
    pub(crate) fn set(&self) -> DirectiveSet {
        self.set.clone()
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the signatures of the signed directives. The returned table of signatures shares the
    /// replica's memory.
    pub(super) fn signatures(&self) -> Arc<SignatureTable> {
        Arc::clone(&self.signatures)
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Returns the rejections of all rejected documents, ordered by document id.
    pub(crate) fn rejections(&self) -> Vec<Rejection> {
        self.others
            .values()
            .filter_map(|other| other.rejection.clone())
            .collect()
    }

    /// Returns the number of rejected documents, which are not in the directive set.
    pub(crate) fn rejected(&self) -> usize {
        self.others.len() - self.revoked()
    }

    /// Returns the number of revoked documents, which are not in the directive set.
    pub(crate) fn revoked(&self) -> usize {
        let others = self.others.values();
        others.filter(|other| other.rejection.is_none()).count()
    }

    /// Returns true if the directive set contains the document `id`, so that the document is
    /// neither revoked nor rejected.
    pub(super) fn accepts(&self, id: &str) -> bool {
        self.set.position_of(id).is_ok()
    }

    /// Returns the `_seq_no` of each document of the replica, in no particular order.
    pub(super) fn seq_nos(&self) -> impl Iterator<Item = u64> {
        let others = self.others.values().map(|other| other.seq_no);
        self.seq_nos.iter().copied().chain(others)
    }

    /// Returns the `_seq_no`s of the replica that are at least `from`, in ascending order.
    pub(super) fn seq_nos_from(&self, from: u64) -> Vec<u64> {
        let mut seq_nos: Vec<u64> = self.seq_nos().filter(|seq_no| *seq_no >= from).collect();
        seq_nos.sort_unstable();
        seq_nos
    }

    /// Returns the highest `_seq_no` up to which the replica contains every number above `mark`. If
    /// all operations up to `mark` have been applied, all operations up to the returned `_seq_no`
    /// have been applied, too, because the replica contains the document that each of them wrote.
    pub(super) fn contiguous_after(&self, mark: u64) -> u64 {
        let mut last = mark;
        for seq_no in self.seq_nos_from(mark.saturating_add(1)) {
            if seq_no != last.saturating_add(1) {
                break;
            }
            last = seq_no;
        }
        last
    }

    /// Returns the ids of the documents that have one of the given `_seq_no`s in the replica. The
    /// caller must pass the `_seq_no`s in ascending order.
    pub(super) fn ids_of(&self, seq_nos: &[u64]) -> impl Iterator<Item = (&str, u64)> {
        let is_one = |seq_no: u64| seq_nos.binary_search(&seq_no).is_ok();
        let directives = self.seq_nos.iter().enumerate();
        let directives = directives.filter_map(move |(position, seq_no)| {
            let directive = is_one(*seq_no).then(|| self.set.get(position))?;
            Some((directive?.id, *seq_no))
        });
        let others = self.others.iter();
        let others = others.filter(move |(_, other)| is_one(other.seq_no));
        directives.chain(others.map(|(id, other)| (id.as_ref(), other.seq_no)))
    }

    /// Returns the `_seq_no` of the document `id`; `None` if the replica does not contain the
    /// document.
    pub(super) fn seq_no(&self, id: &str) -> Option<u64> {
        match self.set.position_of(id) {
            Ok(position) => self.seq_nos.get(position).copied(),
            Err(_) => self.others.get(id).map(|other| other.seq_no),
        }
    }

    /// Returns the `_seq_no`s of the documents that a periodic reconcile decodes again: all
    /// documents whose expiry was too far in the future, and `sample` random directives.
    pub(super) fn numbers_to_read_again(
        &self,
        sample: usize,
        random: &mut fastrand::Rng,
    ) -> Vec<u64> {
        let is_due = |rejection: &Rejection| rejection.reason() == RejectionReason::BeyondMaxTtl;
        let rejected = self.others.values();
        let rejected = rejected.filter(|other| other.rejection.as_ref().is_some_and(is_due));
        let mut numbers: Vec<u64> = rejected.map(|other| other.seq_no).collect();
        for _ in 0..sample.min(self.seq_nos.len()) {
            numbers.extend(random.choice(self.seq_nos.iter()));
        }
        numbers
    }
}

pub(super) type Others = BTreeMap<Box<str>, Other>;

#[cfg(test)]
#[path = "replica_tests.rs"]
mod tests;
