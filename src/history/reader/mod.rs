//! Reads the records of a history page by page, and returns either all records or an error. The
//! records that cannot be decoded are returned in a separate list.

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

/// Selects the records of a history that a call returns: those that satisfy all conditions of the
/// filter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct RecordFilter {
    /// Accepts only operations on the directives with these ids. An empty list accepts operations
    /// on all directives.
    pub directives: Vec<String>,
    /// Accepts only operations whose claimed author or authenticated user has this name.
    pub by: Option<String>,
    /// Accepts only operations on directives that belong to this ticket.
    pub ticket: Option<String>,
    /// Accepts only operations of these kinds. An empty list accepts operations of all kinds.
    pub kinds: Vec<RecordKind>,
    /// Accepts only operations at or after this instant.
    pub since: Option<Timestamp>,
    /// Accepts only operations before this instant.
    pub until: Option<Timestamp>,
    /// Accepts only operations on directives that matched requests of this tenant before or after
    /// the operation. If a directive targets no tenant, it matches the requests of every tenant.
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

    /// Returns the name of the data stream that contains the history.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Returns the records that satisfy the filter, in chronological order, with each operation
    /// once. A separate list contains the records that satisfy the filter but cannot be decoded.
    /// The list of undecodable records ignores the condition for the tenant.
    ///
    /// # Errors
    /// Returns an error if the history does not exist, if it cannot be read completely, or if too
    /// many records satisfy the filter.
    pub async fn records(&self, filter: &RecordFilter) -> Result<FoundRecords, HistoryError> {
        let Some(tenant) = &filter.tenant else {
            return self.search(filter, true).await;
        };
        // Whether an operation concerns a tenant also depends on the previous document of the
        // directive. To find the previous documents, the search also reads earlier operations, even
        // if these do not satisfy the filter.
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
    /// Returns true if a record satisfies all conditions of the filter except the condition for the
    /// tenant.
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
