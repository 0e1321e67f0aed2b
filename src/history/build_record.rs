//! Builds the record of one operation from the document before and the document after the
//! operation.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::classify_operation::{Before, RecordKind, classify};
use super::record::{Operation, Record};
use opensearch_directives_core::document::DecodeLimits;

/// The maximum difference between the clocks of two nodes. The time in a document may be outside
/// the period of the document's write by at most this duration. A time in a document that is
/// outside this period by a longer duration does not come from the ingest pipeline.
pub(super) const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// The name that the ingest pipeline writes if the writer did not name an author.
pub(super) const NO_NAME: &str = "unknown";

/// One operation, as a writer or a recorder saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) directive: &'a str,
    pub(crate) operation: Operation<'a>,
    pub(crate) version: Option<u64>,
    pub(crate) before: Before<'a>,
    /// The JSON of the document after the operation; `None` for a deletion.
    pub(crate) after: Option<&'a str>,
    /// The operation cannot have happened before this instant; `None` if no such instant is known.
    pub(crate) not_before: Option<Timestamp>,
}

/// The name of the program that makes a record, and the time at which it makes the record.
#[derive(Clone, Debug)]
pub(crate) struct RecordedBy {
    pub(crate) name: String,
    pub(crate) at: Timestamp,
    /// The longest time to live of a directive that proxies accept.
    pub(crate) max_ttl: Duration,
}

/// The fields in which a document says who wrote it, when and why. The fields about the author are
/// decoded separately, because a malformed document may contain them, too.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Claims {
    updated_at: Option<Value>,
    updated_by: Option<Value>,
    authenticated_as: Option<Value>,
    revoked_at: Option<Value>,
    revoked_by: Option<Value>,
    revoked_reason: Option<Value>,
    reason: Option<Value>,
    ticket: Option<Value>,
}

fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn name(value: Option<&Value>) -> Option<String> {
    text(value).filter(|name| name != NO_NAME)
}

fn time(value: Option<&Value>) -> Option<Timestamp> {
    value?.as_str()?.parse().ok()
}

impl Claims {
    fn of(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }
}

/// Returns true if an operation that was recorded at `recorded_at` can have taken place at `at`.
fn is_plausible(at: Timestamp, not_before: Option<Timestamp>, recorded_at: Timestamp) -> bool {
    let latest = recorded_at.saturating_add(TOLERANCE);
    at <= latest.unwrap_or(Timestamp::MAX)
        && not_before.is_none_or(|earliest| {
            at >= earliest.saturating_sub(TOLERANCE).unwrap_or(Timestamp::MIN)
        })
}

/// Builds the record of an operation. The time of the record is the time in the document, if this
/// time is plausible, and otherwise the time at which the record is made.
pub(crate) fn record_of(seen: &Seen<'_>, by: &RecordedBy) -> Record {
    let claims = seen.after.map(Claims::of).unwrap_or_default();
    let before = match seen.before {
        Before::Stored(json) => Some(Claims::of(json)),
        Before::Absent | Before::Unknown => None,
    };
    // If a write bypassed the pipeline, the document may still contain the time and the author of
    // an earlier write, so the record must not contain them.
    let is_stale = before
        .as_ref()
        .is_some_and(|before| before.updated_at == claims.updated_at);
    let written_at = time(claims.updated_at.as_ref()).filter(|_| !is_stale);
    let plausible = |at: &Timestamp| is_plausible(*at, seen.not_before, by.at);
    let limits = DecodeLimits {
        now: written_at.filter(plausible).unwrap_or(by.at),
        max_ttl: by.max_ttl,
    };
    let change = classify(seen.directive, seen.before, seen.after, &limits);
    let is_revocation = change.kind == RecordKind::Revoked;
    let revoked_at = || time(claims.revoked_at.as_ref()).filter(|_| is_revocation);
    let mut record = Record {
        timestamp: written_at
            .or_else(revoked_at)
            .filter(plausible)
            .unwrap_or(by.at),
        kind: change.kind,
        directive: seen.directive.to_owned(),
        document: seen.after.and_then(|json| serde_json::from_str(json).ok()),
        changed: change.fields,
        index_uuid: seen.operation.index_uuid.to_owned(),
        history_uuid: seen.operation.history_uuid.to_owned(),
        primary_term: Some(seen.operation.primary_term),
        seq_no: Some(seen.operation.seq_no),
        seq_no_after: None,
        seq_no_until: None,
        deleted_after: None,
        version: seen.version,
        by: name(claims.updated_by.as_ref()).filter(|_| !is_stale),
        authenticated_by: text(claims.authenticated_as.as_ref()).filter(|_| !is_stale),
        reason: text(claims.reason.as_ref()),
        ticket: text(claims.ticket.as_ref()),
        recorded_at: by.at,
        recorded_by: by.name.clone(),
    };
    if is_revocation {
        record.by = name(claims.revoked_by.as_ref()).or(record.by);
        record.reason = text(claims.revoked_reason.as_ref());
    }
    if let Some(rejection) = change.rejection {
        record.reason = Some(rejection.to_string());
    }
    if record.kind == RecordKind::Deleted {
        record.ticket = before.and_then(|before| text(before.ticket.as_ref()));
    }
    record
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-11-27T{time}Z").parse().unwrap()
    }

    fn document(updated_at: &str, by: &str) -> Value {
        json!({
            "targets": ["tenant"], "tenant": "acme", "level": "Shape", "sample_per_mille": 1000,
            "starts_at": "2026-11-27T13:00:00Z", "expires_at": "2026-11-27T16:00:00Z",
            "revoked": false, "reason": "slow", "ticket": "INC-1",
            "updated_at": format!("2026-11-27T{updated_at}Z"), "updated_by": by,
            "authenticated_as": format!("{by}@ldap"),
        })
    }

    fn record(before: Before<'_>, after: Option<&Value>, not_before: Option<Timestamp>) -> Record {
        let after = after.map(Value::to_string);
        let seen = Seen {
            directive: "slow-acme",
            operation: Operation {
                index_uuid: "I",
                history_uuid: "H",
                primary_term: 1,
                seq_no: 7,
            },
            version: Some(2),
            before,
            after: after.as_deref(),
            not_before,
        };
        let by = RecordedBy {
            name: "test".to_owned(),
            at: at("14:00:00"),
            max_ttl: Duration::from_secs(30 * 24 * 3600),
        };
        record_of(&seen, &by)
    }

    #[test]
    fn a_record_names_the_author_the_reason_and_the_time_of_the_write() {
        let after = document("13:59:00", "alice");
        let record = record(Before::Absent, Some(&after), None);
        assert_eq!(record.kind, RecordKind::Created);
        assert_eq!(record.timestamp, at("13:59:00"));
        assert_eq!(record.recorded_at, at("14:00:00"));
        assert_eq!(record.by.as_deref(), Some("alice"));
        assert_eq!(record.authenticated_by.as_deref(), Some("alice@ldap"));
        assert_eq!(record.reason.as_deref(), Some("slow"));
        assert_eq!(record.ticket.as_deref(), Some("INC-1"));
        assert_eq!(record.document(), Some(&after));
    }

    #[test]
    fn a_write_that_left_the_former_author_has_none() {
        let before = document("13:30:00", "alice").to_string();
        let mut after = document("13:30:00", "alice");
        after["capture"] = true.into();
        let record = record(Before::Stored(&before), Some(&after), None);
        assert_eq!(record.kind, RecordKind::Widened);
        assert_eq!((record.by, record.authenticated_by), (None, None));
        assert_eq!(record.timestamp, at("14:00:00"));
    }

    #[test]
    fn a_revocation_has_its_own_author_and_reason() {
        let before = document("13:30:00", "alice").to_string();
        let mut after = document("13:58:00", "unknown");
        after["revoked"] = true.into();
        after["revoked_at"] = "2026-11-27T13:58:00Z".into();
        after["revoked_by"] = "bob".into();
        after["revoked_reason"] = "found".into();
        let record = record(Before::Stored(&before), Some(&after), None);
        assert_eq!(record.kind, RecordKind::Revoked);
        assert_eq!(record.by.as_deref(), Some("bob"));
        assert_eq!(record.reason.as_deref(), Some("found"));
        assert_eq!(record.timestamp, at("13:58:00"));
    }

    #[test]
    fn a_time_that_the_write_cannot_have_had_is_not_believed() {
        let early = Some(at("13:50:00"));
        for (claimed, not_before, expected) in [
            ("14:04:00", None, "14:04:00"),
            ("15:00:00", None, "14:00:00"),
            ("13:46:00", early, "13:46:00"),
            ("13:00:00", early, "14:00:00"),
            ("13:00:00", None, "13:00:00"),
        ] {
            let after = document(claimed, "alice");
            let record = record(Before::Absent, Some(&after), not_before);
            assert_eq!(record.timestamp, at(expected), "{claimed}");
        }
    }

    #[test]
    fn a_rejected_document_is_kept_with_the_reason() {
        let mut after = document("13:59:00", "mallory");
        after["tenant"] = 42.into();
        let record = record(Before::Absent, Some(&after), None);
        assert_eq!(record.kind, RecordKind::Rejected);
        assert!(record.reason.unwrap().contains("tenant"));
        assert_eq!(record.document.unwrap()["tenant"], 42);
        assert_eq!(record.by.as_deref(), Some("mallory"));
    }

    #[test]
    fn a_deletion_keeps_the_ticket_and_no_author() {
        let before = document("13:30:00", "alice").to_string();
        let record = record(Before::Stored(&before), None, None);
        assert_eq!(record.kind, RecordKind::Deleted);
        assert_eq!(record.ticket.as_deref(), Some("INC-1"));
        assert_eq!(
            (record.by, record.reason, record.document),
            (None, None, None)
        );
        assert_eq!(record.timestamp, at("14:00:00"));
    }
}
