//! Decodes the documents of a full read, page by page, into a replica.

use std::sync::Arc;

use jiff::Timestamp;

use super::replica::{Other, Others, Replica};
use crate::rest::{Collect, Hit, Incomplete};
use opensearch_directives_core::DirectiveSetBuilder;
use opensearch_directives_core::document::{DecodeLimits, decode, is_revoked};

/// Decodes each document of a page immediately. An invalid document is rejected and affects no
/// other document.
#[derive(Debug)]
pub(crate) struct ReplicaBuilder {
    limits: DecodeLimits,
    builder: DirectiveSetBuilder,
    /// The `_seq_no` of each directive, in the order of the pages.
    seq_nos: Vec<u64>,
    others: Others,
    updated_at: Option<Timestamp>,
}

impl ReplicaBuilder {
    pub(crate) fn new(limits: DecodeLimits) -> Self {
        Self {
            limits,
            builder: DirectiveSetBuilder::default(),
            seq_nos: Vec::new(),
            others: Others::new(),
            updated_at: None,
        }
    }

    /// Returns the newest `updated_at` of the documents that were not rejected.
    pub(crate) fn updated_at(&self) -> Option<Timestamp> {
        self.updated_at
    }

    /// Returns the number of documents that were read.
    pub(crate) fn documents(&self) -> usize {
        self.seq_nos.len() + self.others.len()
    }

    /// Returns the replica of all documents that were read.
    pub(crate) fn finish(self) -> Result<Replica, Incomplete> {
        let (set, order) = self.builder.build_ordered().map_err(|error| {
            if error.is_too_large() {
                Incomplete::TooLarge
            } else {
                Incomplete::Repeated
            }
        })?;
        if self.others.keys().any(|id| set.position_of(id).is_ok()) {
            return Err(Incomplete::Repeated);
        }
        let seq_nos = order
            .into_iter()
            .filter_map(|arrival| self.seq_nos.get(arrival).copied())
            .collect();
        let digest = set.digest();
        Ok(Replica::new(set, digest, seq_nos, Arc::new(self.others)))
    }
}

impl Collect for ReplicaBuilder {
    fn take(&mut self, hit: &Hit<'_>) -> Result<(), Incomplete> {
        let rejection = match decode(&hit.id, hit.source.get(), &self.limits) {
            Ok(document) => {
                self.updated_at = self.updated_at.max(document.audit().updated_at);
                if !document.is_revoked() {
                    self.builder.push(document.directive());
                    self.seq_nos.push(hit.seq_no);
                    return Ok(());
                }
                None
            }
            // A revoked document applies to no request, even if it is also invalid.
            Err(rejection) => (!is_revoked(hit.source.get())).then_some(rejection),
        };
        let other = Other {
            seq_no: hit.seq_no,
            rejection,
        };
        match self.others.insert(hit.id.as_ref().into(), other) {
            None => Ok(()),
            Some(_) => Err(Incomplete::Repeated),
        }
    }
}

#[cfg(test)]
#[path = "replica_builder_tests.rs"]
mod tests;
