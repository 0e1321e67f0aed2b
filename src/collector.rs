//! Turns the documents of a complete read into a snapshot.

use jiff::Timestamp;

use crate::document::{DecodeLimits, Rejection, decode};
use crate::domain::DirectiveSetBuilder;
use crate::hits::{Hit, Incomplete};
use crate::snapshot::Snapshot;
use crate::source::{Collect, ConcreteIndex};
use crate::status::Revision;

/// Decodes each document as it comes: a bad one costs only itself.
#[derive(Debug)]
pub(crate) struct Collector {
    limits: DecodeLimits,
    builder: DirectiveSetBuilder,
    rejections: Vec<Rejection>,
    max_seq_no: Option<u64>,
    sum_seq_no: u64,
    updated_at: Option<Timestamp>,
}

impl Collector {
    pub(crate) fn new(limits: DecodeLimits) -> Self {
        Self {
            limits,
            builder: DirectiveSetBuilder::default(),
            rejections: Vec::new(),
            max_seq_no: None,
            sum_seq_no: 0,
            updated_at: None,
        }
    }

    /// The snapshot of all that was taken, directives ordered by their ids.
    pub(crate) fn finish(
        mut self,
        index: ConcreteIndex,
        documents: u64,
        read_at: Timestamp,
    ) -> Result<Snapshot, Incomplete> {
        let set = self
            .builder
            .build_by_id()
            .map_err(|_| Incomplete::Repeated)?;
        self.rejections.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Snapshot {
            digest: set.digest(),
            set,
            revision: Some(Revision {
                index: index.name,
                uuid: index.uuid,
                documents,
                max_seq_no: self.max_seq_no,
                sum_seq_no: self.sum_seq_no,
                updated_at: self.updated_at,
            }),
            rejections: self.rejections,
            read_at: Some(read_at),
        })
    }
}

impl Collect for Collector {
    fn take(&mut self, hit: &Hit<'_>) -> Result<(), Incomplete> {
        self.max_seq_no = self.max_seq_no.max(Some(hit.seq_no));
        self.sum_seq_no = self.sum_seq_no.wrapping_add(hit.seq_no);
        match decode(&hit.id, hit.source.get(), &self.limits) {
            Ok(document) => {
                self.updated_at = self.updated_at.max(document.audit().updated_at);
                if !document.is_revoked() {
                    self.builder.push(document.directive());
                }
            }
            Err(rejection) => self.rejections.push(rejection),
        }
        Ok(())
    }
}
