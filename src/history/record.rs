//! A record of one operation, in the form in which the data stream stores it, and the id that makes
//! it unique.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kind::RecordKind;

/// The only field of a stored document that the mapping of the stream refused: it contains the
/// document, and is not searchable.
const UNINDEXED: &str = "unindexed";

/// Returns the name of the data stream that contains the history of an index.
#[must_use]
pub fn stream_name(index: &str) -> String {
    format!("{index}-history")
}

/// The identity of an operation on an index with one shard.
///
/// The number alone is not enough: after a failover or a restore in place, the same `_seq_no` can
/// be assigned to another operation, but not with the same history uuid and primary term.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Operation<'a> {
    /// The uuid of the index.
    pub index_uuid: &'a str,
    /// The history uuid of the shard, which a restore in place changes.
    pub history_uuid: &'a str,
    /// The primary term, which each failover raises.
    pub primary_term: u64,
    /// The sequence number.
    pub seq_no: u64,
}

impl Operation<'_> {
    /// Returns the id of the record of this operation.
    #[must_use]
    pub fn record_id(&self) -> String {
        let Self {
            index_uuid,
            history_uuid,
            primary_term,
            seq_no,
        } = self;
        format!("{index_uuid}.{history_uuid}.{primary_term}.{seq_no}")
    }

    /// Returns the id of the record that the directive was missing after this operation, its last
    /// one, where the number of the deletion is not known.
    #[must_use]
    pub fn deletion_id(&self) -> String {
        format!("{}.deleted", self.record_id())
    }
}

/// One operation on one directive.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// The time of the operation, by the cluster's clock. For a deletion it is the time at which it
    /// was noticed, because a deletion leaves no time behind.
    #[serde(rename = "@timestamp")]
    pub timestamp: Timestamp,
    /// What the operation did.
    pub kind: RecordKind,
    /// The directive's id.
    pub directive: String,
    /// The stored document after the operation, in the form of the stream;
    /// [`document`](Self::document) returns it as it was stored. `None` for a deletion, and for a
    /// document that was replaced before anybody could read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Value>,
    /// The names of the fields that changed, sorted; empty for a new directive. `None` if the document
    /// before the operation is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Vec<String>>,
    /// The uuid of the index.
    pub index_uuid: String,
    /// The history uuid of the shard.
    pub history_uuid: String,
    /// The primary term of the operation; `None` if `seq_no` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_term: Option<u64>,
    /// The number of the operation. `None` only for a deletion that a recorder noticed, because a
    /// search shows no deletions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq_no: Option<u64>,
    /// Of a deletion without a number: the highest number that had been assigned when the document
    /// was still there. The deletion has a higher number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq_no_after: Option<u64>,
    /// Of a deletion without a number: the highest number that had been assigned when the document
    /// was missing. The deletion has this number or a lower one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq_no_until: Option<u64>,
    /// The `_version` of the document after the operation, if it is known. Versions between two
    /// records of one directive belong to operations that nobody recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The author that the writer claimed to be; `None` if the writer named none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The user that the cluster authenticated, as the writer stated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticated_by: Option<String>,
    /// The reason: that of the revocation or deletion, why proxies reject the document, or else
    /// the reason of the directive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The ticket of the directive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The time at which this record was made.
    pub recorded_at: Timestamp,
    /// The name of whoever made this record.
    pub recorded_by: String,
}

impl Record {
    /// Returns the identity of the operation; `None` for a deletion without a number.
    #[must_use]
    pub fn operation(&self) -> Option<Operation<'_>> {
        Some(Operation {
            index_uuid: &self.index_uuid,
            history_uuid: &self.history_uuid,
            primary_term: self.primary_term?,
            seq_no: self.seq_no?,
        })
    }

    /// Returns the document after the operation as it was stored in the index.
    #[must_use]
    pub fn document(&self) -> Option<&Value> {
        let stored = self.document.as_ref()?;
        match stored.as_object() {
            Some(fields) if fields.len() == 1 => Some(fields.get(UNINDEXED).unwrap_or(stored)),
            _ => Some(stored),
        }
    }

    /// Moves the document into the field that is not searchable, for a document that the mapping of
    /// the stream refuses. Returns whether it changed.
    pub(crate) fn unindex(&mut self) -> bool {
        let is_unindexed = |stored: &Value| stored.get(UNINDEXED).is_some();
        match self.document.take() {
            Some(stored) if !is_unindexed(&stored) => {
                self.document = Some(serde_json::json!({ UNINDEXED: stored }));
                true
            }
            stored => {
                self.document = stored;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn record() -> Record {
        serde_json::from_value(json!({
            "@timestamp": "2026-11-27T14:03:00Z",
            "kind": "widened",
            "directive": "slow-acme",
            "document": { "level": "Shape" },
            "changed": ["tenant"],
            "index_uuid": "I",
            "history_uuid": "H",
            "primary_term": 2,
            "seq_no": 17,
            "version": 3,
            "by": "bob",
            "authenticated_by": "svc",
            "reason": "slow",
            "ticket": "INC-1",
            "recorded_at": "2026-11-27T14:03:01Z",
            "recorded_by": "command bob@host",
        }))
        .unwrap()
    }

    #[test]
    fn a_record_has_exactly_the_documented_fields() {
        let json = serde_json::to_value(record()).unwrap();
        let names: Vec<&str> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut documented = [
            "@timestamp",
            "kind",
            "directive",
            "document",
            "changed",
            "index_uuid",
            "history_uuid",
            "primary_term",
            "seq_no",
            "version",
            "by",
            "authenticated_by",
            "reason",
            "ticket",
            "recorded_at",
            "recorded_by",
        ];
        documented.sort_unstable();
        let mut names = names;
        names.sort_unstable();
        assert_eq!(names, documented);
        assert_eq!(serde_json::from_value::<Record>(json).unwrap(), record());
    }

    #[test]
    fn an_absent_field_is_not_stored() {
        let mut record = record();
        assert_eq!((record.seq_no_after, record.seq_no_until), (None, None));
        record.seq_no = None;
        record.reason = None;
        record.changed = None;
        let json = serde_json::to_value(&record).unwrap();
        for field in ["seq_no", "reason", "changed"] {
            assert!(json.get(field).is_none(), "{field}: {json}");
        }
        assert_eq!(serde_json::from_value::<Record>(json).unwrap(), record);
    }

    #[test]
    fn the_id_depends_on_everything_that_identifies_an_operation() {
        let one = Operation {
            index_uuid: "I",
            history_uuid: "H",
            primary_term: 2,
            seq_no: 17,
        };
        assert_eq!(record().operation(), Some(one));
        assert_eq!(one.record_id(), "I.H.2.17");
        assert_eq!(one.deletion_id(), "I.H.2.17.deleted");
        let others = [
            Operation {
                index_uuid: "J",
                ..one
            },
            Operation {
                history_uuid: "J",
                ..one
            },
            Operation {
                primary_term: 3,
                ..one
            },
            Operation { seq_no: 18, ..one },
        ];
        for other in others {
            assert_ne!(other.record_id(), one.record_id());
        }
    }

    #[test]
    fn a_document_that_the_mapping_refuses_is_kept_whole() {
        let mut record = record();
        let stored = record.document().cloned();
        assert!(record.unindex());
        assert_eq!(
            record.document,
            Some(json!({ "unindexed": { "level": "Shape" } }))
        );
        assert_eq!(record.document().cloned(), stored);
        assert!(!record.unindex(), "a second time changes nothing");
    }
}
