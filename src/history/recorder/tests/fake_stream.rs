//! A transport that responds like a cluster that contains the data stream of a history. A test can
//! make the transport refuse requests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::history::{Record, RecordKind};
use crate::http::scripted_transport::json_response;
use crate::http::{Request, RequestFailure, Response, Transport};

/// A data stream that stores records by id.
#[derive(Debug, Default)]
pub(super) struct FakeStream {
    pub(super) records: Mutex<BTreeMap<String, Record>>,
    /// The status with which every bulk request fails during an outage; `None` if there is no
    /// outage.
    outage: Mutex<Option<u16>>,
    /// The `Retry-After` in the response to a failed bulk request.
    pub(super) retry_after: Mutex<Option<Duration>>,
    /// The maximum length of a request body. The transport refuses a longer body, as a proxy in
    /// front of the cluster does.
    pub(super) max_body: Mutex<Option<usize>>,
    /// Whether each bulk request panics.
    pub(super) panics: Mutex<bool>,
    pub(super) bulks: Mutex<usize>,
    /// How often the stream was deleted, and whether it exists now.
    deletions: Mutex<(usize, bool)>,
}

impl FakeStream {
    pub(super) fn records(&self) -> Vec<Record> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.values().cloned().collect()
    }

    pub(super) fn set_outage(&self, status: Option<u16>) {
        *self.outage.lock().unwrap() = status;
    }

    /// Deletes the stream with all its records.
    pub(super) fn delete(&self) {
        self.records.lock().unwrap().clear();
        let mut deletions = self.deletions.lock().unwrap();
        *deletions = (deletions.0 + 1, true);
    }

    /// Creates the deleted stream again, without records.
    pub(super) fn create(&self) {
        self.deletions.lock().unwrap().1 = false;
    }

    /// Responds to the search for the last record of each directive.
    fn last_records(&self, query: &Value) -> Value {
        let filter = &query["query"]["bool"]["filter"];
        let is_of_index = |record: &Record| {
            filter[0]["term"]["index_uuid"] == record.index_uuid.as_str()
                && filter[1]["term"]["history_uuid"] == record.history_uuid.as_str()
        };
        let mut by_directive: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for record in self.records().into_iter().filter(is_of_index) {
            let records = by_directive.entry(record.directive.clone()).or_default();
            records.push(record);
        }
        let top = |record: Option<&Record>| json!({ "hits": { "hits": [{ "_source": record }] } });
        let buckets = by_directive.values().map(|records| {
            let last = records
                .iter()
                .max_by_key(|one| (one.primary_term, one.seq_no));
            let deleted = records.iter().max_by_key(|one| one.seq_no_after);
            json!({ "last": top(last), "deleted": top(deleted) })
        });
        json!({ "aggregations": { "directives": { "buckets": buckets.collect::<Vec<_>>() } } })
    }

    fn respond(&self, request: &Request) -> (u16, Value) {
        if request.path.starts_with("/_data_stream/") {
            let (deletions, is_missing) = *self.deletions.lock().unwrap();
            if is_missing {
                let error = json!({ "type": "index_not_found_exception", "reason": "no index" });
                return (404, json!({ "error": error, "status": 404 }));
            }
            let indices = json!([{ "index_uuid": format!("B{deletions}") }]);
            let stream = json!({ "name": "directives-history", "indices": indices });
            return (200, json!({ "data_streams": [stream] }));
        }
        let query = request.body.as_ref().and_then(|body| {
            let body: Value = serde_json::from_slice(body).ok()?;
            body.get("aggs").is_some().then_some(body)
        });
        if let Some(query) = query {
            return match *self.outage.lock().unwrap() {
                Some(status) => (status, json!({ "error": "an outage", "status": status })),
                None => (200, self.last_records(&query)),
            };
        }
        if request.path.ends_with("/_search") {
            let records = self.records();
            let deleted = records
                .iter()
                .filter(|record| record.kind == RecordKind::Deleted && record.seq_no.is_some());
            let hits: Vec<Value> = deleted.map(|record| json!({ "_source": record })).collect();
            return (200, json!({ "hits": { "hits": hits } }));
        }
        *self.bulks.lock().unwrap() += 1;
        let (panics, max_body) = (*self.panics.lock().unwrap(), *self.max_body.lock().unwrap());
        assert!(!panics, "the stream panics");
        let length = request.body.as_ref().map(Bytes::len);
        if max_body.is_some() && length > max_body {
            return (413, "<html>Request Entity Too Large</html>".into());
        }
        if let Some(status) = *self.outage.lock().unwrap() {
            let error = json!({ "type": "cluster_block_exception", "reason": "blocked" });
            return (status, json!({ "error": error, "status": status }));
        }
        let body = String::from_utf8(request.body.clone().unwrap().to_vec()).unwrap();
        let lines: Vec<&str> = body.lines().collect();
        let items: Vec<Value> = lines
            .chunks(2)
            .map(|pair| {
                let action: Value = serde_json::from_str(pair[0]).unwrap();
                let id = action["create"]["_id"].as_str().unwrap().to_owned();
                let record = serde_json::from_str(pair[1]).unwrap();
                let mut records = self.records.lock().unwrap();
                let status = if records.contains_key(&id) { 409 } else { 201 };
                records.entry(id).or_insert(record);
                json!({ "create": { "status": status } })
            })
            .collect();
        (200, json!({ "items": items }))
    }
}

impl Transport for FakeStream {
    fn send<'a>(
        &'a self,
        _node: usize,
        request: &'a Request,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        let (status, body) = self.respond(request);
        let retry_after = *self.retry_after.lock().unwrap();
        let response = Response {
            retry_after: retry_after.filter(|_| status >= 400),
            ..json_response(status, &body)
        };
        std::future::ready(Ok(response)).boxed()
    }
}
