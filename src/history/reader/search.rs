//! Searches the data stream of a history for records, and removes duplicates. After a rollover, the
//! data stream can contain two records of one operation.

use std::collections::{HashMap, HashSet};

use opensearch::SearchParts;
use serde_json::{Map, Value, json};

use super::error::Kind;
use super::unreadable::{FoundRecords, UnreadableRecord};
use super::{History, HistoryError, RecordFilter};
use crate::history::classify_operation::RecordKind;
use crate::history::record::Record;
use crate::http::malformed;
use crate::rest::{HITS_PATH, Incomplete, PageSize, SearchResponse, TOO_LARGE, search_for};

/// The maximum number of records in one page. Recorders and the `directives` command write such
/// small records that a page with this number of records fits into the size limit of responses.
const PAGE_SIZE: usize = 1_000;

/// One page of a search: the total number of matching records, and the records on this page.
struct Page {
    total: u64,
    hits: Vec<(String, Result<Record, UnreadableRecord>)>,
    /// The sort values of the last record on this page, after which the next page begins.
    last: Option<Value>,
}

/// Which parts of a record a search returns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fields {
    All,
    WithoutDocument,
    /// The search returns only the ids of the records.
    None,
}

impl History {
    /// Reads the records that satisfy all conditions of the filter except the condition for the
    /// tenant.
    ///
    /// The stream is append-only, so the pages need no common point in time. If a record is added
    /// during the read, the result may or may not contain it, but the positions of the other
    /// records do not change.
    pub(in crate::history) async fn search(
        &self,
        filter: &RecordFilter,
        with_documents: bool,
    ) -> Result<FoundRecords, HistoryError> {
        let query = query(filter);
        let mut ids = HashSet::new();
        let mut found = FoundRecords::default();
        let (mut size, mut after) = (PageSize::new(PAGE_SIZE), None);
        loop {
            let page = self
                .page_that_fits(&query, with_documents, &mut size, after.as_ref())
                .await?;
            if page.total > self.max_records {
                return Err(Kind::TooMany {
                    stream: self.stream.clone(),
                    found: page.total,
                    limit: self.max_records,
                }
                .into());
            }
            let count = page.hits.len();
            found.read += count as u64;
            for (id, record) in page.hits {
                // After a rollover, the data stream can contain two records with the same id.
                if !ids.insert(id) {
                    continue;
                }
                match record {
                    Ok(record) => found.records.push(record),
                    Err(unreadable) => found.unreadable.push(unreadable),
                }
            }
            if count < size.get() {
                if found.read < page.total {
                    let (read, total) = (found.read, page.total);
                    return Err(self.incomplete(Incomplete::Hits { read, total }));
                }
                break;
            }
            after = page.last;
            size.grow();
        }
        found
            .records
            .sort_by(|one, other| order(one).cmp(&order(other)));
        Ok(found)
    }

    /// Reads a page of at most `size` records. If the response is larger than the size limit of
    /// responses, the method reads a smaller page instead. If a single record exceeds the size
    /// limit, the page contains the record as unreadable.
    async fn page_that_fits(
        &self,
        query: &Value,
        with_documents: bool,
        size: &mut PageSize,
        after: Option<&Value>,
    ) -> Result<Page, HistoryError> {
        let mut fields = if with_documents {
            Fields::All
        } else {
            Fields::WithoutDocument
        };
        loop {
            match self.page(query, fields, size.get(), after).await {
                Err(error) if error.is_response_too_large() => {
                    if !size.shrink() {
                        if fields == Fields::None {
                            return Err(error);
                        }
                        fields = Fields::None;
                    }
                }
                other => return other,
            }
        }
    }

    async fn page(
        &self,
        query: &Value,
        fields: Fields,
        size: usize,
        after: Option<&Value>,
    ) -> Result<Page, HistoryError> {
        let path = SearchParts::Index(&[&self.stream]).url();
        let request = search_for(&path, size, HITS_PATH, page_body(query, fields, after));
        let operation = request.operation();
        let body = self
            .client
            .send(request)
            .await
            .map_err(|error| self.failed(error))?;
        let response: SearchResponse<'_> = serde_json::from_slice(&body)
            .map_err(|error| self.failed(malformed(operation.clone(), error)))?;
        let complete = response.complete().map_err(|what| self.incomplete(what))?;
        let last = complete
            .search_after()
            .map_err(|error| self.failed(malformed(operation, error)))?;
        let hits = complete.hits.iter().map(|hit| {
            let record = match fields {
                Fields::None => Err(UnreadableRecord::new(&hit.id, TOO_LARGE)),
                Fields::All | Fields::WithoutDocument => decode_record(&hit.id, hit.source.get()),
            };
            (hit.id.clone().into_owned(), record)
        });
        Ok(Page {
            total: complete.total,
            hits: hits.collect(),
            last,
        })
    }

    /// Returns an error if the search found fewer records than the data stream stores, because the
    /// role then hides records from this user.
    pub(in crate::history) fn check_visible(
        &self,
        found: u64,
        stored: u64,
    ) -> Result<(), HistoryError> {
        if found >= stored {
            return Ok(());
        }
        let stream = self.stream.clone();
        Err(Kind::Hidden {
            stream,
            found,
            stored,
        }
        .into())
    }

    pub(super) fn incomplete(&self, source: Incomplete) -> HistoryError {
        let stream = self.stream.clone();
        Kind::Incomplete { stream, source }.into()
    }

    pub(super) fn failed(&self, source: crate::http::RequestError) -> HistoryError {
        let stream = self.stream.clone();
        if source.is_index_not_found() {
            return Kind::NoStream(stream).into();
        }
        Kind::Request { stream, source }.into()
    }
}

/// Builds the body of the search for one page.
fn page_body(query: &Value, fields: Fields, after: Option<&Value>) -> Map<String, Value> {
    let sorted_by = |field: &str| json!({ field: { "order": "asc", "missing": "_last" } });
    let sort = json!([
        sorted_by("@timestamp"),
        sorted_by("index_uuid"),
        sorted_by("primary_term"),
        sorted_by("seq_no"),
        sorted_by("directive"),
        sorted_by("history_uuid"),
        sorted_by("recorded_at"),
        sorted_by("_index"),
    ]);
    let source = match fields {
        Fields::All => None,
        Fields::WithoutDocument => Some(json!({ "excludes": ["document"] })),
        Fields::None => Some(json!({ "includes": ["kind"] })),
    };
    let mut body = Map::from_iter([
        ("query".to_owned(), query.clone()),
        ("sort".to_owned(), sort),
    ]);
    body.extend(source.map(|source| ("_source".to_owned(), source)));
    body.extend(after.map(|after| ("search_after".to_owned(), after.clone())));
    body
}

pub(in crate::history) fn decode_record(
    id: &str,
    source: &str,
) -> Result<Record, UnreadableRecord> {
    serde_json::from_str(source).map_err(|error| UnreadableRecord::new(id, &error.to_string()))
}

fn order(record: &Record) -> impl Ord + '_ {
    (
        record.timestamp,
        record.index_uuid.as_str(),
        record.primary_term,
        record.seq_no,
        record.directive.as_str(),
    )
}

fn query(filter: &RecordFilter) -> Value {
    let mut all = Vec::new();
    if !filter.directives.is_empty() {
        all.push(json!({ "terms": { "directive": filter.directives } }));
    }
    if let Some(by) = &filter.by {
        let names = ["by", "authenticated_by"].map(|field| json!({ "term": { field: by } }));
        all.push(json!({ "bool": { "should": names, "minimum_should_match": 1 } }));
    }
    if let Some(ticket) = &filter.ticket {
        all.push(json!({ "term": { "ticket": ticket } }));
    }
    if !filter.kinds.is_empty() {
        all.push(json!({ "terms": { "kind": filter.kinds } }));
    }
    if let Some(since) = filter.since {
        all.push(json!({ "range": { "@timestamp": { "gte": since.to_string() } } }));
    }
    if let Some(until) = filter.until {
        all.push(json!({ "range": { "@timestamp": { "lt": until.to_string() } } }));
    }
    json!({ "bool": { "filter": all } })
}

/// Keeps an operation if its directive matched requests of the tenant before or after the
/// operation, or if the document that would show this is not known.
pub(super) fn of_tenant(records: Vec<Record>, tenant: &str) -> Vec<Record> {
    let mut matched: HashMap<(String, String), Option<bool>> = HashMap::new();
    let concerns_tenant = |record: &Record| {
        let after = match record.document() {
            Some(document) => Some(matches_tenant(document, tenant)),
            None if record.kind == RecordKind::Deleted => Some(false),
            // The record of a write contains no document if the document was replaced before a
            // recorder could read it.
            None => None,
        };
        let key = (record.index_uuid.clone(), record.directive.clone());
        let before = matched.insert(key, after).unwrap_or(Some(false));
        before != Some(false) || after != Some(false)
    };
    let mut records = records;
    records.retain(concerns_tenant);
    records
}

fn matches_tenant(document: &Value, tenant: &str) -> bool {
    match document.get("tenant") {
        Some(Value::String(target)) => target == tenant,
        // A document whose `tenant` is not a string may be meant for any tenant, although every
        // proxy rejects the document.
        None | Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn record(seq_no: u64, kind: &str, document: Option<Value>) -> Record {
        let mut record = json!({
            "@timestamp": "2026-11-27T14:03:00Z", "kind": kind, "directive": "d",
            "index_uuid": "I", "history_uuid": "H", "primary_term": 1, "seq_no": seq_no,
            "recorded_at": "2026-11-27T14:03:01Z", "recorded_by": "test",
        });
        if let Some(document) = document {
            record["document"] = document;
        }
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn an_operation_concerns_a_tenant_if_the_directive_matched_it_before_or_after() {
        let of = |tenant: &str| Some(json!({ "level": "Shape", "tenant": tenant }));
        let all = Some(json!({ "level": "Shape" }));
        let records = vec![
            record(0, "created", of("globex")),
            record(1, "replaced", of("acme")),
            record(2, "replaced", of("globex")),
            record(3, "extended", of("globex")),
            record(4, "widened", all),
            record(5, "deleted", None),
            record(6, "created", of("globex")),
            // The document after operation 7 is not known.
            record(7, "replaced", None),
            record(8, "replaced", of("globex")),
        ];
        let kept = of_tenant(records, "acme");
        let numbers: Vec<u64> = kept.iter().filter_map(|one| one.seq_no).collect();
        assert_eq!(numbers, [1, 2, 4, 5, 7, 8]);
    }

    #[test]
    fn a_filter_becomes_one_query() {
        let filter = RecordFilter {
            by: Some("alice".to_owned()),
            kinds: vec![RecordKind::Revoked],
            since: "2026-11-27T14:00:00Z".parse().ok(),
            ..RecordFilter::default()
        };
        let query = query(&filter);
        let conditions = query["bool"]["filter"].as_array().unwrap();
        assert_eq!(conditions.len(), 3, "{query}");
        assert_eq!(conditions[1], json!({ "terms": { "kind": ["revoked"] } }));
    }
}
