//! Reads the events of the audit log that concern the documents of the history's index.

use std::collections::HashMap;

use jiff::Timestamp;
use opensearch::SearchParts;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AuditLog, Event, TOLERANCE};
use crate::history::reader::{AuditLogProblem, History, HistoryError};
use crate::history::record::Record;
use crate::http::{Method, Request, RequestError, malformed, segment};

/// The indices into which the security plugin writes the audit log by default.
const DEFAULT_INDICES: &str = "security-auditlog-*";
const PAGE_SIZE: usize = 5_000;
const FILTER_PATH: &str =
    "timed_out,_shards.total,_shards.failed,hits.total,hits.hits._source,hits.hits.sort";
const FIELDS: [&str; 7] = [
    "@timestamp",
    "audit_compliance_operation",
    "audit_compliance_doc_version",
    "audit_request_effective_user",
    "audit_trace_doc_id",
    "audit_trace_indices",
    "audit_trace_resolved_indices",
];

#[derive(Deserialize)]
struct Response {
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Shards,
    hits: Hits,
}

#[derive(Deserialize)]
struct Shards {
    total: u64,
    failed: u64,
}

#[derive(Deserialize)]
struct Hits {
    total: Total,
    /// An empty list of hits is absent from the response, because the request uses `filter_path`.
    #[serde(default)]
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_source")]
    source: Value,
    sort: Value,
}

/// The fields of an event in the audit log. If a field without a default is missing, no record can
/// match the event.
#[derive(Deserialize)]
struct Source {
    #[serde(rename = "@timestamp")]
    at: Timestamp,
    #[serde(rename = "audit_compliance_operation")]
    operation: String,
    #[serde(rename = "audit_compliance_doc_version")]
    version: u64,
    #[serde(rename = "audit_request_effective_user")]
    user: String,
    #[serde(rename = "audit_trace_doc_id")]
    document: String,
    #[serde(rename = "audit_trace_indices", default)]
    indices: Vec<String>,
    #[serde(rename = "audit_trace_resolved_indices", default)]
    resolved: Vec<String>,
}

impl History {
    /// Reads the part of the security plugin's audit log that covers the period of the records.
    /// `indices` contains the names of the audit log's indices. If `indices` is `None`, the method
    /// uses the default names of the security plugin. With the default names, the method returns
    /// `None` if there is no audit log, or if the user may not read the audit log.
    ///
    /// # Errors
    /// Returns an error if the audit log cannot be read completely. If the caller named the
    /// indices, indices that do not exist or that the user may not read are an error, too.
    pub async fn audit_log(
        &self,
        indices: Option<&str>,
        records: &[Record],
    ) -> Result<Option<AuditLog>, HistoryError> {
        let names = self.names_of_index().await;
        let query = query(records, &names);
        let pattern = indices.unwrap_or(DEFAULT_INDICES);
        let mut log = AuditLog::default();
        let (mut read, mut after) = (0, None);
        loop {
            let page = self.checked_page(indices, &query, after.as_ref()).await?;
            let Some(page) = page else {
                return Ok(None);
            };
            let found = page.hits.total.value;
            if found > self.max_records {
                return Err(AuditLogProblem::TooMany(found).of(pattern));
            }
            let count = page.hits.hits.len();
            read += count as u64;
            after = page.hits.hits.last().map(|hit| hit.sort.clone());
            for hit in page.hits.hits {
                log.add(hit.source, &names);
            }
            if count < PAGE_SIZE {
                return if read < found {
                    Err(AuditLogProblem::Incomplete.of(pattern))
                } else {
                    Ok(Some(log))
                };
            }
        }
    }

    /// Returns true if [`audit_log`](Self::audit_log) would return an audit log.
    ///
    /// # Errors
    /// Returns the same errors as `audit_log`.
    pub async fn has_audit_log(&self, indices: Option<&str>) -> Result<bool, HistoryError> {
        let no_event = json!({ "match_none": {} });
        let page = self.checked_page(indices, &no_event, None).await?;
        Ok(page.is_some())
    }

    /// Reads one complete page of the audit log. If the caller named no indices, the method returns
    /// `None` if there is no audit log or the user may not read it.
    async fn checked_page(
        &self,
        indices: Option<&str>,
        query: &Value,
        after: Option<&Value>,
    ) -> Result<Option<Response>, HistoryError> {
        let pattern = indices.unwrap_or(DEFAULT_INDICES);
        let page = match self.page_of_log(pattern, query, after).await {
            Ok(page) => page,
            Err(error) if indices.is_none() && is_refused(&error) => return Ok(None),
            Err(error) => return Err(AuditLogProblem::Request(error).of(pattern)),
        };
        if page.shards.total == 0 {
            return match indices {
                None => Ok(None),
                Some(_) => Err(AuditLogProblem::Missing.of(pattern)),
            };
        }
        if page.timed_out || page.shards.failed > 0 {
            return Err(AuditLogProblem::Incomplete.of(pattern));
        }
        Ok(Some(page))
    }

    async fn page_of_log(
        &self,
        pattern: &str,
        query: &Value,
        after: Option<&Value>,
    ) -> Result<Response, RequestError> {
        let mut body = json!({
            "query": query,
            "size": PAGE_SIZE,
            "track_total_hits": true,
            "_source": FIELDS,
            "sort": [{ "@timestamp": "asc" }, { "_index": "asc" }, { "_seq_no": "asc" }],
        });
        if let Some(after) = after {
            body["search_after"] = after.clone();
        }
        let path = SearchParts::Index(&[pattern]).url();
        let request = Request::new(Method::Post, path)
            .query("ignore_unavailable", "true")
            .query("allow_partial_search_results", "false")
            .query("filter_path", FILTER_PATH)
            .json(body.to_string());
        let operation = request.operation();
        let body = self.client.send(request).await?;
        serde_json::from_slice(&body).map_err(|error| malformed(operation, error))
    }

    /// Returns the configured name of the index of directives. For an alias, the result also
    /// contains the names of the alias's indices, because audit events contain the names of
    /// indices.
    async fn names_of_index(&self) -> Vec<String> {
        let index = self.client.index();
        let path = format!("/{}/_settings/index.uuid", segment(index));
        let request = Request::new(Method::Get, path);
        // If the request fails, for example because the index of directives was deleted, the search
        // of the audit log uses only the configured name.
        let found: HashMap<String, Value> = self.client.json(request).await.unwrap_or_default();
        let mut names: Vec<String> = found.into_keys().collect();
        names.push(index.to_owned());
        names
    }
}

fn is_refused(error: &RequestError) -> bool {
    matches!(error.status(), Some(401 | 403))
}

/// Returns the query for audit events about the documents of the given indices in the period of the
/// records. The query searches each field and its subfield `keyword`, because the default mapping
/// defines such a subfield for each text, but a template may define another mapping.
fn query(records: &[Record], names: &[String]) -> Value {
    let any_of = |field: &str, values: &[String]| {
        let keyword = format!("{field}.keyword");
        [
            json!({ "terms": { field: values } }),
            json!({ "terms": { keyword: values } }),
        ]
    };
    let should = |conditions: Vec<Value>| json!({ "bool": { "should": conditions, "minimum_should_match": 1 } });
    let category = any_of("audit_category", &["COMPLIANCE_DOC_WRITE".to_owned()]);
    let indices = ["audit_trace_indices", "audit_trace_resolved_indices"];
    let indices = indices.iter().flat_map(|field| any_of(field, names));
    let mut conditions = vec![should(category.to_vec()), should(indices.collect())];
    let first = records.iter().map(|record| record.timestamp).min();
    let last = records.iter().map(|record| record.recorded_at).max();
    if let (Some(first), Some(last)) = (first, last) {
        let first = first.saturating_sub(TOLERANCE).unwrap_or(first);
        let last = last.saturating_add(TOLERANCE).unwrap_or(last);
        let period = json!({ "gte": first.to_string(), "lte": last.to_string() });
        conditions.push(json!({ "range": { "@timestamp": period } }));
    }
    json!({ "bool": { "filter": conditions } })
}

impl AuditLog {
    fn add(&mut self, source: Value, names: &[String]) {
        let Ok(source) = serde_json::from_value::<Source>(source) else {
            return;
        };
        let mut indices = source.indices.iter().chain(&source.resolved);
        if indices.any(|index| names.contains(index)) {
            self.events.entry(source.document).or_default().push(Event {
                at: source.at,
                version: source.version,
                is_deletion: source.operation == "DELETE",
                user: source.user,
            });
        }
    }
}
