//! Tests the source of snapshots that polls another agent. A transport for tests returns scripted
//! snapshots. `long_polls.rs` tests the long polls in the pauses between the polls, with a
//! simulated hub, and `failovers.rs` the change from one hub to another.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod failovers;
mod hub;
mod long_polls;

use std::sync::Mutex;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::http::{ClusterConfig, RequestFailure, Response, Transport};
use crate::rest::PollErrorKind;
use opensearch_directives_core::internal::SnapshotParts;
use opensearch_directives_core::{
    DiagLevel, DiagnosticsDirective, DirectiveSet, Revision, Snapshot,
};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2030-01-01T12:00:00Z".parse().unwrap()
    }
}

/// A transport that returns the same response after a delay, and records the query of each request.
#[derive(Debug)]
struct Fake {
    response: Mutex<Value>,
    takes: Duration,
    queries: Mutex<Vec<Option<String>>>,
}

impl Transport for Fake {
    fn send<'a>(
        &'a self,
        _node: usize,
        request: &'a Request,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<crate::http::Response, RequestFailure>> {
        let mut since = request.query.iter().map(|(key, value)| {
            assert_eq!(*key, "since");
            value.clone()
        });
        self.queries.lock().unwrap().push(since.next());
        let body = Bytes::from(self.response.lock().unwrap().to_string());
        async move {
            tokio::time::sleep(self.takes).await;
            Ok(Response {
                status: 200,
                retry_after: None,
                content_type: None,
                body,
            })
        }
        .boxed()
    }
}

fn agent(takes: Duration, clear_after: Option<Duration>) -> (Arc<Fake>, AgentSource) {
    let fake = Arc::new(Fake {
        response: Mutex::default(),
        takes,
        queries: Mutex::default(),
    });
    let mut config = Config::new(ClusterConfig::new(["http://127.0.0.1:9980"
        .parse()
        .unwrap()]))
    .with_clock(Arc::new(Noon))
    .with_max_documents(10);
    config.clear_after = clear_after;
    let client = Client::over(Arc::clone(&fake) as Arc<dyn Transport>, &config.cluster);
    let upstream = AgentSource::new(&config, client, Arc::default(), 1);
    (fake, upstream)
}

fn snapshot(id: &str) -> Snapshot {
    let set = DirectiveSet::from_directives(vec![DiagnosticsDirective::new(
        id,
        DiagLevel::Shape,
        Timestamp::MAX,
    )]);
    Snapshot::from(SnapshotParts {
        digest: set.digest(),
        set,
        revision: Some({
            let mut revision = Revision::new("directives-1", "u");
            revision.documents = 1;
            revision.max_seq_no = Some(1);
            revision.sum_seq_no = 1;
            revision.updated_at = None;
            revision
        }),
        signatures: Arc::default(),
        rejections: Vec::new(),
        revoked: 0,
        read_at: None,
    })
}

impl Fake {
    fn says(&self, index: &str, age_seconds: f64, tag: &str, snapshot: Option<&Snapshot>) {
        let snapshot: Option<Value> = snapshot
            .map(|snapshot| serde_json::from_str(snapshot.to_json().unwrap().get()).unwrap());
        *self.response.lock().unwrap() = json!({
            "index": index, "age_seconds": age_seconds, "tag": tag, "snapshot": snapshot,
        });
    }

    fn last_query(&self) -> Option<String> {
        self.queries.lock().unwrap().last().unwrap().clone()
    }
}

fn published(
    snapshot: &Snapshot,
    generation: Option<u64>,
    age: Option<Duration>,
) -> PublishedState<'_> {
    PublishedState {
        snapshot,
        generation,
        age,
        now: Noon.now(),
    }
}

fn why(result: Result<Polled, ReadError>) -> AgentError {
    let error = result.unwrap_err();
    match error.into_failure() {
        ReadFailure::Agent(error) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_age_includes_the_transit_time() {
    let (fake, mut upstream) = agent(SECOND, None);
    fake.says("directives", 7.5, "t", Some(&snapshot("a")));
    let taken = upstream
        .read(published(&Snapshot::default(), None, None))
        .await
        .unwrap();
    let age = Duration::from_millis(8500);
    assert_eq!(taken.age, age);
    let read_at = Noon.now() - SignedDuration::try_from(age).unwrap();
    assert_eq!(taken.read_at, read_at);
    let read = taken.snapshot.unwrap();
    assert_eq!(read.read_at(), Some(read_at));
    assert!(read.is_same_as(&snapshot("a")));
}

#[tokio::test(start_paused = true)]
async fn a_published_snapshot_is_not_sent_again() {
    let (fake, mut upstream) = agent(SECOND, None);
    let (a, b) = (snapshot("a"), snapshot("b"));
    fake.says("directives", 1.0, "tag-a", Some(&a));
    upstream
        .read(published(&Snapshot::default(), None, None))
        .await
        .unwrap();
    assert_eq!(fake.last_query(), None);
    fake.says("directives", 3.0, "tag-a", None);
    let age = Some(SECOND * 10);
    let taken = upstream.read(published(&a, Some(1), age)).await.unwrap();
    assert_eq!(fake.last_query().as_deref(), Some("tag-a"));
    assert!(taken.snapshot.is_none());
    assert_eq!(taken.age, SECOND * 4);

    // If the published directive set does not come from the polled agent, or if the set was
    // emptied, the store must request the whole snapshot.
    for other in [&b, &Snapshot::default()] {
        assert!(matches!(
            why(upstream.read(published(other, None, age)).await),
            AgentError::NotRequested
        ));
        assert_eq!(fake.last_query(), None);
    }
    fake.says("directives", 3.0, "tag-b", None);
    assert!(matches!(
        why(upstream.read(published(&a, Some(1), age)).await),
        AgentError::NotRequested
    ));
}

#[tokio::test(start_paused = true)]
async fn p3_an_agent_that_is_behind_changes_nothing() {
    let (fake, mut upstream) = agent(SECOND, None);
    let (a, b) = (snapshot("a"), snapshot("b"));
    fake.says("directives", 10.001, "tag-b", Some(&b));
    assert!(matches!(
        why(upstream.read(published(&a, None, Some(SECOND * 10))).await),
        AgentError::Older
    ));
    // If the agent returns a snapshot that equals the published one but comes from an earlier read
    // of the index, the published set and its age do not change.
    fake.says("directives", 60.0, "tag-a", Some(&a));
    let taken = upstream
        .read(published(&a, None, Some(SECOND * 10)))
        .await
        .unwrap();
    assert_eq!(taken.age, SECOND * 11);
    assert_eq!(taken.read_at, Noon.now() - SignedDuration::from_secs(11));
    // The store accepts a snapshot that is not older than the published snapshot. After the set was
    // emptied, the store accepts a snapshot of any age.
    fake.says("directives", 9.999, "tag-b", Some(&b));
    upstream
        .read(published(&a, None, Some(SECOND * 10)))
        .await
        .unwrap();
    fake.says("directives", 60.0, "tag-b", Some(&b));
    upstream
        .read(published(&Snapshot::default(), None, Some(SECOND * 10)))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn p5_a_snapshot_that_is_too_old_is_refused() {
    let (fake, mut upstream) = agent(SECOND, Some(SECOND * 60));
    fake.says("directives", 59.0, "t", Some(&snapshot("a")));
    assert!(matches!(
        why(upstream
            .read(published(&Snapshot::default(), None, None))
            .await),
        AgentError::TooOld { .. }
    ));
    fake.says("directives", 58.9, "t", Some(&snapshot("a")));
    upstream
        .read(published(&Snapshot::default(), None, None))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn p1_a_response_of_another_server_or_agent_is_refused() {
    let (fake, mut upstream) = agent(SECOND, None);
    fake.says("other", 1.0, "t", Some(&snapshot("a")));
    assert!(matches!(
        why(upstream.read(published(&Snapshot::default(), None, None)).await),
        AgentError::OtherIndex(index) if index == "other"
    ));
    for age in [-1.0, 1e300] {
        fake.says("directives", age, "t", Some(&snapshot("a")));
        assert!(matches!(
            why(upstream
                .read(published(&Snapshot::default(), None, None))
                .await),
            AgentError::Age
        ));
    }
    for response in [json!({}), json!([]), json!({"tagline": "OpenSearch"})] {
        *fake.response.lock().unwrap() = response;
        let error = upstream
            .read(published(&Snapshot::default(), None, None))
            .await
            .unwrap_err();
        assert!(error.kind() == PollErrorKind::Request, "{error:?}");
    }
}
