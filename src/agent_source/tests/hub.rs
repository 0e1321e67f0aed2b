//! Simulates a hub, an agent that other stores poll: it publishes snapshots, sends differences and
//! holds requests. The simulation includes proxies and earlier versions of the agent that do not
//! support held requests.

use std::sync::Mutex;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::http::scripted_transport::json_response;
use crate::http::{Method, Request, RequestFailure, Response, Transport};

/// The simulated time from the start of a request to the arrival of its response.
pub(super) const ROUND_TRIP: Duration = Duration::from_millis(20);

/// The fault that the test simulates between the store and the hub, or in the hub itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Between {
    Nothing,
    /// The agent is of an earlier version, which supports only the parameter `known`.
    EarlierVersion,
    /// The agent already holds the maximum number of requests, so it refuses further ones. The
    /// response of such a full agent says when the client should try again.
    Full,
    /// A proxy keeps the response to a held request for many minutes.
    Buffer,
    /// A proxy closes the connection if a request is held for a second.
    Cut,
    /// A gateway responds with a timeout error if a request is held for a second.
    GatewayTimeout,
    /// A proxy returns its own page instead of the response to a held request.
    Page,
    /// A proxy returns a cached response to an earlier request, which the hub held for longer.
    Cache,
    /// The network between the store and the hub delivers no request and no response.
    Outage,
    /// The agent is shutting down, so it responds at once to each request that it should hold.
    Ending,
    /// The agent sends differences from another snapshot than the store has.
    WrongDelta,
}

/// The time and the kind of a request that arrived at the simulated hub.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) is_held: bool,
    pub(super) is_whole: bool,
}

#[derive(Debug)]
pub(super) struct Hub {
    published: watch::Sender<Vec<Arc<Snapshot>>>,
    pub(super) between: Mutex<Between>,
    pub(super) seen: Mutex<Vec<Seen>>,
    /// The age of the hub's snapshot, and the instant at which the hub lost the cluster. The age
    /// grows from the instant at which the hub lost the cluster. While the hub has contact with the
    /// cluster, the age of its snapshot is constant.
    age: Mutex<(Duration, Option<Instant>)>,
}

impl Hub {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            published: watch::Sender::new(vec![Arc::new(snapshot("directive-0"))]),
            between: Mutex::new(Between::Nothing),
            seen: Mutex::default(),
            age: Mutex::default(),
        })
    }

    pub(super) fn publish(&self, id: &str) {
        let next = Arc::new(snapshot(id));
        self.published.send_modify(|snapshots| snapshots.push(next));
    }

    /// Simulates a restart of the hub: the new process knows only one snapshot, with the directive
    /// `id`.
    pub(super) fn restart(&self, id: &str) {
        let next = Arc::new(snapshot(id));
        self.published.send_replace(vec![next]);
    }

    pub(super) fn set_age(&self, age: Duration) {
        *self.age.lock().unwrap() = (age, None);
    }

    /// Begins an outage between the hub and the cluster, so that the age of the hub's snapshot
    /// grows.
    pub(super) fn lose_cluster(&self) {
        self.age.lock().unwrap().1 = Some(Instant::now());
    }

    fn age(&self) -> Duration {
        let (age, since) = *self.age.lock().unwrap();
        age + since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    pub(super) fn set(&self, between: Between) {
        *self.between.lock().unwrap() = between;
        // The call of `send_modify` wakes up the held requests, so that they notice the new fault.
        self.published.send_modify(|_| {});
    }

    fn between(&self) -> Between {
        *self.between.lock().unwrap()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn held(&self) -> usize {
        self.seen().iter().filter(|seen| seen.is_held).count()
    }

    fn current(&self) -> Arc<Snapshot> {
        Arc::clone(self.published.borrow().last().unwrap())
    }

    /// Holds a request until the hub's snapshot has another tag than `tag`, or until the wait is
    /// over.
    async fn hold(&self, tag: &str, wait: Duration) -> Result<(), RequestFailure> {
        let mut published = self.published.subscribe();
        let begun = Instant::now();
        while self.current().content_tag() == tag {
            let rest = wait.saturating_sub(begun.elapsed());
            match self.between() {
                Between::Ending => break,
                Between::Outage => return Err(broken()),
                _ if rest.is_zero() => break,
                _ => {}
            }
            let _ = tokio::time::timeout(rest, published.changed()).await;
        }
        Ok(())
    }

    async fn respond(&self, request: &Request) -> Result<Response, RequestFailure> {
        let parameter = |name: &str| {
            let value = request.query.iter().find(|(key, _)| *key == name);
            value.map(|(_, value)| value.clone())
        };
        let (since, known) = (parameter("since"), parameter("known"));
        let wait = parameter("wait")
            .map(|wait| Duration::from_millis(wait.strip_suffix("ms").unwrap().parse().unwrap()));
        self.seen.lock().unwrap().push(Seen {
            at: Instant::now(),
            is_held: wait.is_some(),
            is_whole: since.is_none() && known.is_none(),
        });
        tokio::time::sleep(ROUND_TRIP / 2).await;
        match (self.between(), wait.is_some()) {
            (Between::Outage, _) => return Err(broken()),
            (Between::EarlierVersion, _) if since.is_some() => return Ok(refusal(400)),
            (Between::Full, true) => return Ok(refusal(503)),
            (Between::Buffer, true) => std::future::pending().await,
            (Between::Cut, true) => {
                tokio::time::sleep(SECOND).await;
                return Err(broken());
            }
            (Between::GatewayTimeout, true) => {
                tokio::time::sleep(SECOND).await;
                return Ok(refusal(504));
            }
            (Between::Page, true) => return Ok(json_response(200, &json!("please log in"))),
            _ => {}
        }
        let mut waited = None;
        if let (Some(since), Some(wait)) = (&since, wait) {
            let begun = Instant::now();
            if self.between() == Between::Cache {
                tokio::time::sleep(wait).await;
                waited = Some(wait.as_secs_f64() * 3.0);
            } else {
                self.hold(since, wait).await?;
                waited = Some(begun.elapsed().as_secs_f64());
            }
        }
        let body = self.body(since.as_ref(), known.as_ref(), waited);
        tokio::time::sleep(ROUND_TRIP / 2).await;
        Ok(json_response(200, &body))
    }

    fn body(&self, since: Option<&String>, known: Option<&String>, waited: Option<f64>) -> Value {
        let current = self.current();
        let tag = current.content_tag();
        let parsed = |json: &str| -> Value { serde_json::from_str(json).unwrap() };
        let mut body = json!({
            "index": "directives",
            "age_seconds": self.age().as_secs_f64(),
            "tag": tag,
            "snapshot": null,
        });
        if let Some(waited) = waited {
            body["waited_seconds"] = waited.into();
        }
        let published = self.published.borrow();
        let earlier = published
            .iter()
            .find(|earlier| Some(&earlier.content_tag()) == since);
        if since.or(known) == Some(&tag) {
            return body;
        }
        match earlier {
            Some(earlier) => {
                let changes = current.changes_since(earlier, 100).unwrap();
                body["delta"] = parsed(current.delta_json(&changes).unwrap().get());
                if self.between() == Between::WrongDelta {
                    body["delta"]["removed"] = json!([]);
                }
            }
            None => body["snapshot"] = parsed(current.to_json().unwrap().get()),
        }
        body
    }
}

impl Transport for Hub {
    fn send<'a>(
        &'a self,
        _node: usize,
        request: &'a Request,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        assert_eq!(request.method, Method::Get);
        self.respond(request).boxed()
    }
}

fn broken() -> RequestFailure {
    RequestFailure::Connection("the connection was reset".into())
}

fn refusal(status: u16) -> Response {
    Response {
        retry_after: (status == 503).then_some(SECOND * 30),
        ..json_response(status, &json!({"detail": "refused"}))
    }
}
