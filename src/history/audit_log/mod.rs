//! Compares records of the history with the audit log of the security plugin. For each write, the
//! audit log contains the user that the cluster authenticated.
//!
//! The audit log can confirm a record but cannot replace it. The plugin writes the audit log
//! asynchronously and loses events when a node ends, and an event has no `_seq_no`. A record
//! without a matching event is not suspicious, because the audit log may be incomplete. An event
//! matches a record if both have the same document and `_version`, and if the event happened
//! between the time of the operation (according to the record) and the time of the record.

mod search;

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::build_record::{NO_NAME, TOLERANCE};
use super::classify_operation::RecordKind;
use super::record::Record;

/// The events of an audit log that concern the documents of one index.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditLog {
    events: HashMap<String, Vec<Event>>,
}

/// One write of a document, with the user that the cluster authenticated for this write.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Event {
    at: Timestamp,
    version: u64,
    is_deletion: bool,
    user: String,
}

impl AuditLog {
    /// Returns the user that the cluster authenticated for the operation of a record. Returns
    /// `None` if no event matches the record, or if events with different users match.
    #[must_use]
    pub fn user_of(&self, record: &Record) -> Option<&str> {
        let events = self.events.get(&record.directive)?;
        let is_deletion = record.kind == RecordKind::Deleted;
        let from = record.timestamp.checked_sub(TOLERANCE).ok()?;
        let until = record.recorded_at.checked_add(TOLERANCE).ok()?;
        let users: BTreeSet<&str> = events
            .iter()
            .filter(|event| event.is_deletion == is_deletion)
            .filter(|event| {
                record
                    .version
                    .is_none_or(|version| version == event.version)
            })
            // A record without a version can only match the event of a deletion.
            .filter(|_| record.version.is_some() || is_deletion)
            .filter(|event| (from..=until).contains(&event.at))
            .map(|event| event.user.as_str())
            .collect();
        let mut users = users.into_iter();
        match (users.next(), users.next()) {
            (Some(user), None) => Some(user),
            _ => None,
        }
    }
}

impl Record {
    /// Compares the names of the operation's author in the record with each other and with the
    /// audit log. Returns a description of each contradiction between the names. `witness` is the
    /// user whom the audit log names for the operation; `None` if no event matches the record.
    ///
    /// An author in the document who differs from the authenticated user is a contradiction, even
    /// if several people share one technical user of the cluster.
    #[must_use]
    pub fn contradictions(&self, witness: Option<&str>) -> Vec<String> {
        let mut contradictions = Vec::new();
        // A record without a name does not contradict the name of any user.
        let claimed = self.by.as_deref().filter(|by| *by != NO_NAME);
        let stated = self.authenticated_by.as_deref();
        if let (Some(claimed), Some(user)) = (claimed, witness.or(stated))
            && claimed != user
        {
            contradictions.push(format!(
                "the writer claims to be {claimed}, and the cluster authenticated {user}"
            ));
        }
        if let (Some(stated), Some(witness)) = (stated, witness)
            && stated != witness
        {
            contradictions.push(format!(
                "the record states that the cluster authenticated {stated}, and the audit log names \
                 {witness}"
            ));
        }
        contradictions
    }
}

#[cfg(test)]
mod tests;
