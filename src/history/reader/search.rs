//! Searches the data stream for records, and removes duplicates. After a rollover, the stream can
//! contain two records of one operation.

use std::collections::{HashMap, HashSet};

use opensearch::SearchParts;
use serde_json::{Value, json};

use super::error::Kind;
use super::{History, HistoryError, RecordFilter};
use crate::history::kind::RecordKind;
use crate::history::record::Record;
use crate::http::{Method, Request, malformed};
use crate::rest::{Hit, Incomplete, SearchResponse};

/// The maximum number of records in one page. A page of the largest possible records is smaller
/// than the size limit of responses.
const PAGE_SIZE: usize = 1_000;
const FILTER_PATH: &str = "timed_out,_shards.total,_shards.successful,_shards.failed,hits.total,\
                           hits.hits._id,hits.hits._seq_no,hits.hits._source,hits.hits.sort";

/// The records of one page.
struct Page {
    total: u64,
    records: Vec<(String, Record)>,
    /// The sort values of the last record.
    last: Option<Value>,
}

impl History {
    /// Reads the records that satisfy the filter. The tenant in the filter is ignored.
    ///
    /// The stream is append-only, so the pages need no common point in time. A record that is added
    /// during the read may or may not be returned, but does not change the positions of the other
    /// records.
    ///
    /// Returns the records, and the number of matching records in the stream including duplicates.
    pub(in crate::history) async fn search(
        &self,
        filter: &RecordFilter,
        with_documents: bool,
    ) -> Result<(Vec<Record>, u64), HistoryError> {
        let query = query(filter);
        let mut ids = HashSet::new();
        let (mut records, mut read, mut after) = (Vec::new(), 0_u64, None);
        loop {
            let page = self.page(&query, with_documents, after.as_ref()).await?;
            if page.total > self.max_records {
                return Err(Kind::TooMany {
                    stream: self.stream.clone(),
                    found: page.total,
                    limit: self.max_records,
                }
                .into());
            }
            let count = page.records.len();
            read += count as u64;
            // Before the first rollover, the stream contains each id at most once.
            let new = page
                .records
                .into_iter()
                .filter(|(id, _)| ids.insert(id.clone()));
            records.extend(new.map(|(_, record)| record));
            if count < PAGE_SIZE {
                if read < page.total {
                    let total = page.total;
                    return Err(self.incomplete(Incomplete::Hits { read, total }));
                }
                break;
            }
            after = page.last;
        }
        records.sort_by(|one, other| order(one).cmp(&order(other)));
        Ok((records, read))
    }

    async fn page(
        &self,
        query: &Value,
        with_documents: bool,
        after: Option<&Value>,
    ) -> Result<Page, HistoryError> {
        let sorted_by = |field: &str| json!({ field: { "order": "asc", "missing": "_last" } });
        let mut body = json!({
            "query": query,
            "size": PAGE_SIZE,
            "track_total_hits": true,
            "seq_no_primary_term": true,
            "sort": [
                sorted_by("@timestamp"), sorted_by("index_uuid"), sorted_by("primary_term"),
                sorted_by("seq_no"), sorted_by("directive"), sorted_by("history_uuid"),
                sorted_by("recorded_at"), sorted_by("_index"),
            ],
        });
        if !with_documents {
            body["_source"] = json!({ "excludes": ["document"] });
        }
        if let Some(after) = after {
            body["search_after"] = after.clone();
        }
        let path = SearchParts::Index(&[&self.stream]).url();
        let request = Request::new(Method::Post, path)
            .query("allow_partial_search_results", "false")
            .query("filter_path", FILTER_PATH)
            .json(body.to_string());
        let operation = request.operation();
        let body = self
            .client
            .send(request)
            .await
            .map_err(|error| self.failed(error))?;
        let response: SearchResponse<'_> = serde_json::from_slice(&body)
            .map_err(|error| self.failed(malformed(operation.clone(), error)))?;
        let complete = response.complete().map_err(|what| self.incomplete(what))?;
        let last = complete.hits.last().and_then(|hit| hit.sort);
        let last = last
            .map(|sort| serde_json::from_str(sort.get()))
            .transpose()
            .map_err(|error| self.failed(malformed(operation, error)))?;
        let records = complete.hits.iter().map(|hit| self.record(hit));
        Ok(Page {
            total: complete.total,
            records: records.collect::<Result<_, _>>()?,
            last,
        })
    }

    fn record(&self, hit: &Hit<'_>) -> Result<(String, Record), HistoryError> {
        let id = hit.id.clone().into_owned();
        match serde_json::from_str(hit.source.get()) {
            Ok(record) => Ok((id, record)),
            Err(source) => Err(Kind::Record {
                stream: self.stream.clone(),
                id,
                source,
            }
            .into()),
        }
    }

    /// Fails if the role hides records from this user.
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

/// Retains the operations on directives that matched requests of a tenant before or after the
/// operation, and the operations for which this is not known.
pub(super) fn of_tenant(records: Vec<Record>, tenant: &str) -> Vec<Record> {
    let mut matched: HashMap<(String, String), Option<bool>> = HashMap::new();
    let concerns_tenant = |record: &Record| {
        let after = match record.document() {
            Some(document) => Some(matches_tenant(document, tenant)),
            None if record.kind == RecordKind::Deleted => Some(false),
            // The document is not known, because it was replaced before anybody could read it.
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
        // Every proxy rejects a document whose `tenant` is not a string.
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
            // The document of the following operation is not known.
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
