//! Defines the record of one operation, in the form in which the data stream stores it, and the id
//! of a record.

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::classify_operation::RecordKind;

/// The name of the field under which a record contains a document that the mapping of the data
/// stream has refused. OpenSearch does not index the content of the field `unindexed`, so a search
/// cannot find it.
const UNINDEXED: &str = "unindexed";

/// Returns the name of the data stream that contains the history of an index.
#[must_use]
pub fn stream_name(index: &str) -> String {
    format!("{index}-history")
}

/// The identity of an operation on an index with one shard.
///
/// The `_seq_no` alone does not identify an operation. After a failover or a restore in place,
/// another operation can get the same `_seq_no`. Two operations with the same `_seq_no` differ in
/// their primary term or in their history uuid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Operation<'a> {
    /// The uuid of the index on which the operation was performed.
    pub index_uuid: &'a str,
    /// The history uuid of the shard, which a restore in place changes.
    pub history_uuid: &'a str,
    /// The primary term, which each failover raises.
    pub primary_term: u64,
    /// The `_seq_no` that the primary assigned to the operation.
    pub seq_no: u64,
}

impl Operation<'_> {
    /// Returns the id under which the data stream stores the record of this operation.
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

    /// Returns the id of the record of a deletion whose `_seq_no` is not known. `self` is the last
    /// known operation on the directive before this deletion.
    #[must_use]
    pub fn deletion_id(&self) -> String {
        format!("{}.deleted", self.record_id())
    }
}

/// Decodes a number that OpenSearch assigned, for example a `_seq_no`. OpenSearch assigns only
/// numbers that fit into a signed `long`, so the successor of each valid number fits into `u64`.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number: Option<u64> = Deserialize::deserialize(deserializer)?;
    match number {
        Some(number) if i64::try_from(number).is_err() => Err(D::Error::custom(format_args!(
            "{number} is higher than every number that OpenSearch assigns"
        ))),
        number => Ok(number),
    }
}

/// The record of one operation on one directive: what the operation did, who performed it, when and
/// why.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// The time of the operation, according to the cluster's clock. For a deletion that a recorder
    /// noticed, `timestamp` is the time at which the recorder noticed the absence of the document.
    /// A noticed deletion happened before `timestamp`, but no document contains the time of the
    /// deletion.
    #[serde(rename = "@timestamp")]
    pub timestamp: Timestamp,
    /// What the operation did to the directive.
    pub kind: RecordKind,
    /// The id of the directive that the operation concerns.
    pub directive: String,
    /// The document after the operation, in the form in which the stream stores it.
    /// [`document`](Self::document) returns the document as the index stored it. The field is
    /// `None` for a deletion, and for a document that was replaced before a recorder could read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Value>,
    /// The sorted names of the document's fields that the operation changed; empty for a new
    /// directive. The list of changed fields is `None` if the document before the operation is not
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Vec<String>>,
    /// The uuid of the index on which the operation was performed.
    pub index_uuid: String,
    /// The history uuid of the shard, which a restore in place changes.
    pub history_uuid: String,
    /// The primary term of the operation; `None` if `seq_no` is `None`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number"
    )]
    pub primary_term: Option<u64>,
    /// The `_seq_no` of the operation. The field is `None` only for a deletion whose `_seq_no` is
    /// not known. A search does not return the `_seq_no` of a deletion, and the response to the
    /// deletion may be lost.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number"
    )]
    pub seq_no: Option<u64>,
    /// For a deletion without a known `_seq_no`, the highest `_seq_no` that was certainly assigned
    /// before the deletion. The `_seq_no` of the deletion is higher than `seq_no_after`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number"
    )]
    pub seq_no_after: Option<u64>,
    /// For a deletion without a known `_seq_no`, the highest `_seq_no` that had been assigned when
    /// a recorder noticed that the document was absent; `None` if this `_seq_no` is not known. The
    /// `_seq_no` of the deletion is at most `seq_no_until`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number"
    )]
    pub seq_no_until: Option<u64>,
    /// For a deletion without a known `_seq_no`, a time at which a recorder found that the document
    /// had not been deleted yet. The deletion happened after `deleted_after` and before
    /// `timestamp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_after: Option<Timestamp>,
    /// The `_version` of the document after the operation; `None` if it is not known. If two
    /// successive records of a directive do not have consecutive versions, nobody recorded the
    /// operations with the versions in between.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number"
    )]
    pub version: Option<u64>,
    /// The author that the writer named; `None` if the writer named no author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The user that the cluster authenticated, according to the writer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticated_by: Option<String>,
    /// For a revocation or a deletion, the reason that its author stated. For a rejected document,
    /// the reason why proxies reject the document. For an operation that writes a valid directive,
    /// the reason that the directive contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The ticket that the directive names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The time at which a client or a recorder made the record.
    pub recorded_at: Timestamp,
    /// The name of the client or recorder that made the record.
    pub recorded_by: String,
}

impl Record {
    /// Returns the identity of the operation; `None` for a deletion without a `_seq_no`.
    #[must_use]
    pub fn operation(&self) -> Option<Operation<'_>> {
        Some(Operation {
            index_uuid: &self.index_uuid,
            history_uuid: &self.history_uuid,
            primary_term: self.primary_term?,
            seq_no: self.seq_no?,
        })
    }

    /// Returns true if the record is that of a deletion that a recorder noticed, because the
    /// document was absent. For a noticed deletion, only a range of possible times is known.
    #[must_use]
    pub fn is_noticed_deletion(&self) -> bool {
        self.kind == RecordKind::Deleted && self.seq_no.is_none()
    }

    /// Returns the document after the operation, as the index stored it.
    #[must_use]
    pub fn document(&self) -> Option<&Value> {
        let stored = self.document.as_ref()?;
        match stored.as_object() {
            Some(fields) if fields.len() == 1 => Some(fields.get(UNINDEXED).unwrap_or(stored)),
            _ => Some(stored),
        }
    }

    /// Moves the document of this record into the field `unindexed`, which is not searchable. The
    /// writer moves the document if the mapping of the data stream has refused it. Returns true if
    /// the record has changed, so that sending the record again can succeed.
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
