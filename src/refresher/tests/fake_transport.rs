//! A transport that returns scripted responses without a network.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::http::scripted_transport::json_response;
use crate::http::{Request, RequestFailure, Response, Transport};

/// The scripted behaviour of the transport for all later requests.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Order {
    /// The transport responds like an index with the given number of directives.
    Good(u64),
    /// The transport responds like an index with the given number of directives, and each response
    /// takes the given time.
    Slow(u64, Duration),
    /// The transport refuses each request with the given HTTP status and `Retry-After`.
    Refuse(u16, Option<Duration>),
    Hang,
    Panic,
}

#[derive(Debug)]
pub(super) struct Fake {
    order: Mutex<Order>,
    /// The instant at which each poll began.
    polls: Mutex<Vec<Instant>>,
    /// True if documents were read after the last request for statistics. If documents were read,
    /// the next request for statistics ends a poll. If no documents were read, the next request for
    /// statistics begins a poll.
    read: Mutex<bool>,
    /// The path of each request.
    paths: Mutex<Vec<String>>,
    /// The transport refuses each request whose path or query contains one of these texts, like a
    /// cluster that does not permit the request to the role.
    not_permitted: Mutex<&'static [&'static str]>,
}

impl Fake {
    pub(super) fn new(order: Order) -> Arc<Self> {
        Arc::new(Self {
            order: Mutex::new(order),
            polls: Mutex::default(),
            read: Mutex::default(),
            paths: Mutex::default(),
            not_permitted: Mutex::default(),
        })
    }

    pub(super) fn set(&self, order: Order) {
        *self.order.lock().unwrap() = order;
    }

    /// Makes the transport refuse each request whose path or query contains one of `texts`.
    pub(super) fn do_not_permit(&self, texts: &'static [&'static str]) {
        *self.not_permitted.lock().unwrap() = texts;
    }

    /// Returns the number of requests whose path contains `part`.
    pub(super) fn requests(&self, part: &str) -> usize {
        let paths = self.paths.lock().unwrap();
        paths.iter().filter(|path| path.contains(part)).count()
    }

    fn is_permitted(&self, request: &Request) -> bool {
        let texts = *self.not_permitted.lock().unwrap();
        let request = format!("{} {:?}", request.path, request.query);
        !texts.iter().any(|text| request.contains(text))
    }

    pub(super) fn polls(&self) -> usize {
        self.polls.lock().unwrap().len()
    }

    /// Returns the pauses between the polls, without the first `from` polls.
    pub(super) fn pauses(&self, from: usize) -> Vec<Duration> {
        let polls = self.polls.lock().unwrap();
        polls[from..]
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect()
    }

    /// Records the beginning of a poll if `request` is the first request of the poll.
    fn note(&self, request: &Request, order: Order) {
        self.paths.lock().unwrap().push(request.path.clone());
        let mut read = self.read.lock().unwrap();
        if request.path.contains("_stats/docs") {
            if !*read {
                self.polls.lock().unwrap().push(Instant::now());
            }
            *read = false;
        } else {
            let is_good = matches!(order, Order::Good(_) | Order::Slow(..));
            let documents = request.path.ends_with("_search") && !is_sum(request);
            *read = is_good && (*read || documents);
        }
    }
}

/// Returns true if a search request asks only for aggregates and for no documents.
fn is_sum(request: &Request) -> bool {
    request_body(request)["size"] == 0
}

fn request_body(request: &Request) -> Value {
    request
        .body
        .as_ref()
        .map_or(Value::Null, |body| serde_json::from_slice(body).unwrap())
}

fn body(request: &Request, directives: u64) -> Value {
    let path = &request.path;
    if path.contains("_settings") {
        return json!({"directives": {"settings": {
            "index.uuid": "u", "index.number_of_shards": "1", "index.refresh_interval": "1s",
        }}});
    }
    if path.contains("_stats/docs") {
        let highest = i64::try_from(directives).unwrap() - 1;
        return json!({"indices": {"directives": {"uuid": "u", "shards": {"0": [{
            "routing": {"primary": true, "node": "n"},
            "docs": {"count": directives},
            "commit": {"user_data": {"history_uuid": "h"}},
            "seq_no": {"max_seq_no": highest, "global_checkpoint": highest},
        }]}}}});
    }
    if path.contains("_cluster/state") {
        return json!({"cluster_uuid": "c", "version": 1});
    }
    if path.contains("_ingest") {
        return json!({});
    }
    if path.contains("_nodes") {
        let time: Timestamp = super::NOON.parse().unwrap();
        return json!({"nodes": {"n": {"timestamp": time.as_millisecond()}}});
    }
    // The transport returns no histograms, so that every reconcile ends with a full read.
    if path.ends_with("_search/point_in_time") {
        return json!({"pit_id": "p"});
    }
    if path.ends_with("_mget") {
        return mget_response(request, directives);
    }
    search_response(request, directives)
}

fn mget_response(request: &Request, directives: u64) -> Value {
    let query = request_body(request);
    let docs: Vec<Value> = query["ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| {
            let seq_no: u64 = id.as_str().unwrap().parse().unwrap();
            if seq_no < directives {
                json!({"_id": id, "_seq_no": seq_no, "found": true})
            } else {
                json!({"_id": id, "found": false})
            }
        })
        .collect();
    json!({"docs": docs})
}

fn search_response(request: &Request, directives: u64) -> Value {
    let query = request_body(request);
    let above = query
        .pointer("/query/range/_seq_no/gt")
        .and_then(Value::as_u64);
    let hits: Vec<Value> = (above.map_or(0, |above| above + 1)..directives)
        .map(|n| {
            json!({"_id": n.to_string(), "_seq_no": n, "_source": {
                "targets": [],
                "level": "Shape",
                "sample_per_mille": 1000,
                "revoked": false,
                "starts_at": "2030-01-01T12:10:00Z",
                "expires_at": "2030-01-01T12:20:00Z",
            }})
        })
        .collect();
    let total = hits.len();
    let hits = if is_sum(request) { Vec::new() } else { hits };
    json!({
        "timed_out": false,
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "hits": {"total": {"value": total, "relation": "eq"}, "hits": hits},
        "aggregations": {"all": {
            "seq": {
                "count": directives,
                "max": directives.checked_sub(1),
                "sum": (0..directives).sum::<u64>(),
            },
            "updated": {"value": null},
        }},
    })
}

impl Transport for Fake {
    fn send<'a>(
        &'a self,
        _node: usize,
        request: &'a Request,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        let order = *self.order.lock().unwrap();
        self.note(request, order);
        let is_permitted = self.is_permitted(request);
        async move {
            let (status, retry_after, body) = match order {
                _ if !is_permitted => (403, None, Value::Null),
                Order::Slow(directives, time) => {
                    tokio::time::sleep(time).await;
                    (200, None, body(request, directives))
                }
                Order::Good(directives) => (200, None, body(request, directives)),
                Order::Refuse(status, retry_after) => (status, retry_after, Value::Null),
                Order::Hang => std::future::pending().await,
                Order::Panic => panic!("requested by the test"),
            };
            Ok(Response {
                retry_after,
                ..json_response(status, &body)
            })
        }
        .boxed()
    }
}
