//! Reads the records of a history page by page, and returns either all records or an error. The
//! result contains a separate list of the records that cannot be decoded.

mod error;
mod index_facts;
mod search;
mod stream_integrity;
mod unreadable;

use jiff::Timestamp;

use super::classify_operation::RecordKind;
use super::record::{Record, stream_name};
use crate::http::Client;

pub(super) use error::AuditLogProblem;
pub use error::HistoryError;
pub(super) use search::decode_record;
pub use stream_integrity::{BackingIndex, StreamState};
pub use unreadable::{FoundRecords, UnreadableRecord};

/// The conditions that a record must satisfy to be returned. A record must satisfy all conditions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct RecordFilter {
    /// Only operations on these directives. If the list is empty, operations on all directives.
    pub directives: Vec<String>,
    /// Only operations whose claimed author or authenticated user has the given name.
    pub by: Option<String>,
    /// Only operations on directives that belong to the given ticket.
    pub ticket: Option<String>,
    /// Only operations of the given kinds. If the list is empty, operations of all kinds.
    pub kinds: Vec<RecordKind>,
    /// Only operations at or after the given instant.
    pub since: Option<Timestamp>,
    /// Only operations before the given instant.
    pub until: Option<Timestamp>,
    /// Only operations on directives that matched requests of the given tenant, before the
    /// operation or after it. If a directive targets no tenant, it matches the requests of every
    /// tenant.
    pub tenant: Option<String>,
}

/// Reads the history of an index.
#[derive(Clone, Debug)]
pub struct History {
    pub(super) client: Client,
    pub(super) stream: String,
    pub(super) max_records: u64,
}

impl History {
    /// The default of the maximum number of records that one call reads.
    pub const DEFAULT_MAX_RECORDS: u64 = 500_000;

    /// Creates a reader for the history of the client's index.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            stream: stream_name(client.index()),
            client,
            max_records: Self::DEFAULT_MAX_RECORDS,
        }
    }

    /// Sets the maximum number of records that one call reads.
    #[must_use]
    pub fn with_max_records(mut self, max_records: u64) -> Self {
        self.max_records = max_records;
        self
    }

    /// Returns the name of the data stream.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Returns the records that satisfy the filter, in chronological order, with each operation
    /// once. A separate list contains the records that satisfy the filter but cannot be decoded.
    /// The filter for the tenant does not apply to this list.
    ///
    /// # Errors
    /// Returns an error if the history does not exist, if it cannot be read completely, or if too
    /// many records satisfy the filter.
    pub async fn records(&self, filter: &RecordFilter) -> Result<FoundRecords, HistoryError> {
        let Some(tenant) = &filter.tenant else {
            return self.search(filter, true).await;
        };
        // Whether an operation concerns a tenant also depends on the previous document of the
        // directive. So the previous operations must be read, too.
        let all = RecordFilter {
            directives: filter.directives.clone(),
            until: filter.until,
            ..RecordFilter::default()
        };
        let mut found = self.search(&all, true).await?;
        found.records = search::of_tenant(found.records, tenant);
        found.records.retain(|record| filter.accepts(record));
        Ok(found)
    }
}

impl RecordFilter {
    /// Returns true if a record satisfies all conditions. The condition for the tenant is not
    /// checked.
    fn accepts(&self, record: &Record) -> bool {
        let is =
            |wanted: &Option<String>, value: &Option<String>| wanted.is_none() || wanted == value;
        (self.directives.is_empty() || self.directives.contains(&record.directive))
            && (is(&self.by, &record.by) || is(&self.by, &record.authenticated_by))
            && is(&self.ticket, &record.ticket)
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
            && self.since.is_none_or(|since| record.timestamp >= since)
            && self.until.is_none_or(|until| record.timestamp < until)
    }
}

#[cfg(test)]
mod tests;
