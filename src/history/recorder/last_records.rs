//! When a recorder starts, it reads the last record of each directive. From the last records, the
//! recorder finds out which versions were replaced and which documents were deleted while no
//! recorder ran.

use std::collections::HashMap;

use jiff::Timestamp;
use opensearch::SearchParts;
use serde_json::{Value, json};
use tracing::warn;

use super::observation_feed::{Observation, SeenDocument};
use crate::history::RecordKind;
use crate::history::append_records::Stream;
use crate::history::record::Record;
use crate::http::{Method, Request, RequestError};

/// The number of directives whose last records a recorder reads in one page.
const PAGE_SIZE: usize = 200;
/// The maximum number of pages that a recorder reads at its start, even if the history has more.
const MAX_PAGES: usize = 1_000;
const FILTER_PATH: &str = "aggregations.directives.after_key,\
                           aggregations.directives.buckets.*.hits.hits._source";

/// The document in the last record of a directive.
pub(super) struct LastDocument {
    pub(super) document: SeenDocument,
    /// The time at which a client or a recorder made the record.
    pub(super) recorded_at: Timestamp,
}

/// Returns the documents that exist according to the last records of the observed index.
pub(super) async fn last_documents(
    stream: &Stream,
    observation: &Observation,
    history_uuid: &str,
) -> Result<Vec<LastDocument>, RequestError> {
    let observed: HashMap<&str, &SeenDocument> = observation
        .documents
        .iter()
        .map(|document| (&*document.id, document))
        .collect();
    let mut documents = Vec::new();
    let mut after = Value::Null;
    for _ in 0..MAX_PAGES {
        let mut page = page(stream, &observation.index_uuid, history_uuid, &after).await?;
        let directives = &mut page["aggregations"]["directives"];
        after = directives["after_key"].take();
        let Value::Array(buckets) = directives["buckets"].take() else {
            return Ok(documents);
        };
        // If the record of a document is newer than the observation, the record is ignored.
        let is_usable = |last: &LastDocument| {
            let observed = observed.get(&*last.document.id);
            observed.is_none_or(|observed| place(&last.document) <= place(observed))
        };
        let last = buckets.into_iter().filter_map(last_document);
        documents.extend(last.filter(is_usable));
        if after.is_null() {
            return Ok(documents);
        }
    }
    warn!(
        directives = MAX_PAGES * PAGE_SIZE,
        "the history has records of more directives than a recorder reads at its start; for the \
         others, versions that were replaced and documents that were deleted before this start are \
         not counted"
    );
    Ok(documents)
}

fn place(document: &SeenDocument) -> (Option<u64>, u64) {
    (document.primary_term, document.seq_no)
}

/// Returns the document in the last record of one directive. Returns `None` if the document was
/// deleted, or if the record does not contain it.
fn last_document(mut bucket: Value) -> Option<LastDocument> {
    let record = bucket["last"]["hits"]["hits"][0]["_source"].take();
    let record: Record = serde_json::from_value(record).ok()?;
    // Only a deletion without a `_seq_no` has the field `seq_no_after`. The `_seq_no` of the
    // deletion is higher than the value of `seq_no_after`.
    let deleted_after = bucket["deleted"]["hits"]["hits"][0]["_source"]["seq_no_after"].as_u64();
    let seq_no = record.seq_no?;
    if record.kind == RecordKind::Deleted || deleted_after.is_some_and(|after| after >= seq_no) {
        return None;
    }
    let document = SeenDocument {
        id: record.directive.as_str().into(),
        seq_no,
        primary_term: Some(record.primary_term?),
        version: record.version,
        source: record.document()?.to_string().into(),
    };
    Some(LastDocument {
        document,
        recorded_at: record.timestamp.max(record.recorded_at),
    })
}

async fn page(
    stream: &Stream,
    index_uuid: &str,
    history_uuid: &str,
    after: &Value,
) -> Result<Value, RequestError> {
    let descending = |field: &str| json!({ field: { "order": "desc", "missing": "_last" } });
    let mut composite = json!({
        "size": PAGE_SIZE,
        "sources": [{ "directive": { "terms": { "field": "directive" } } }],
    });
    if !after.is_null() {
        composite["after"] = after.clone();
    }
    let body = json!({
        "size": 0,
        "query": { "bool": { "filter": [
            { "term": { "index_uuid": index_uuid } },
            { "term": { "history_uuid": history_uuid } },
        ] } },
        "aggs": { "directives": { "composite": composite, "aggs": {
            "last": { "top_hits": {
                "size": 1, "sort": [descending("primary_term"), descending("seq_no")],
            } },
            "deleted": { "top_hits": {
                "size": 1, "sort": [descending("seq_no_after")], "_source": ["seq_no_after"],
            } },
        } } },
    });
    let path = SearchParts::Index(&[stream.name()]).url();
    let request = Request::new(Method::Post, path)
        .query("allow_partial_search_results", "false")
        .query("filter_path", FILTER_PATH)
        .json(body.to_string());
    match stream.client().json(request).await {
        Ok(page) => Ok(page),
        // If the data stream of the history does not exist yet, the function returns no records.
        Err(error) if error.is_index_not_found() => Ok(Value::Null),
        Err(error) => Err(error),
    }
}
