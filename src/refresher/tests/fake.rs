//! A transport that does as it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::{Answer, Request, RequestErrorKind, Transport};

/// What the transport does with a request.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Order {
    /// Answers with this many directives.
    Good(u64),
    /// Answers with this status and `Retry-After`.
    Refuse(u16, Option<Duration>),
    Hang,
    Panic,
}

#[derive(Debug)]
pub(super) struct Fake {
    order: Mutex<Order>,
    /// When each poll began.
    polls: Mutex<Vec<Instant>>,
}

impl Fake {
    pub(super) fn new(order: Order) -> Arc<Self> {
        Arc::new(Self {
            order: Mutex::new(order),
            polls: Mutex::default(),
        })
    }

    pub(super) fn set(&self, order: Order) {
        *self.order.lock().unwrap() = order;
    }

    pub(super) fn polls(&self) -> usize {
        self.polls.lock().unwrap().len()
    }

    /// The pauses between the polls that have begun since the first `from`.
    pub(super) fn pauses(&self, from: usize) -> Vec<Duration> {
        let polls = self.polls.lock().unwrap();
        polls[from..]
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect()
    }
}

fn body(request: &Request, directives: u64) -> Value {
    if request.path.contains("_settings") {
        return json!({"directives": {"settings": {
            "index.uuid": "u", "index.number_of_shards": "1",
        }}});
    }
    let hits: Vec<Value> = (0..directives)
        .map(|n| {
            json!({"_id": n.to_string(), "_seq_no": n, "_source": {
                "level": "Shape",
                "starts_at": "2030-01-01T12:10:00Z",
                "expires_at": "2030-01-01T12:20:00Z",
            }})
        })
        .collect();
    json!({
        "timed_out": false,
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "hits": {"total": {"value": directives, "relation": "eq"}, "hits": hits},
    })
}

impl Transport for Fake {
    fn send<'a>(
        &'a self,
        _node: usize,
        request: &'a Request,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Answer, RequestErrorKind>> {
        if request.path.contains("_settings") {
            self.polls.lock().unwrap().push(Instant::now());
        }
        let order = *self.order.lock().unwrap();
        async move {
            let (status, retry_after, body) = match order {
                Order::Good(directives) => (200, None, body(request, directives)),
                Order::Refuse(status, retry_after) => (status, retry_after, Value::Null),
                Order::Hang => std::future::pending().await,
                Order::Panic => panic!("told to"),
            };
            Ok(Answer {
                status,
                retry_after,
                content_type: None,
                body: Bytes::from(body.to_string()),
            })
        }
        .boxed()
    }
}
