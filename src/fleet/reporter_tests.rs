//! Tests the reporter under virtual time, with a scripted source and a scripted index of the fleet.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod report_bounds_tests;

use std::sync::Mutex;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use opensearch_directives_core::document::{DecodeLimits, decode};
use opensearch_directives_core::{
    DiagLevel, DiagnosticsDirective, DirectiveSet, DirectiveStore as _, RequestAttrs, Revision,
    Snapshot,
};
use serde_json::{Value, json};

use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::http::scripted_transport::json_response;
use crate::http::{Request, RequestFailure, Response, Transport};
use crate::source::{PollFuture, Polled, PublishedState, SnapshotSource};

pub(in crate::fleet) const SECOND: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(60);

/// A source whose content depends on a number that a test can change.
#[derive(Clone, Debug, Default)]
pub(in crate::fleet) struct Source(Arc<Mutex<(u64, usize)>>);

impl Source {
    pub(in crate::fleet) fn change(&self) {
        self.0.lock().unwrap().0 += 1;
    }

    fn polls(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

impl SnapshotSource for Source {
    fn poll<'a>(&'a mut self, _published: PublishedState<'a>) -> PollFuture<'a> {
        let mut state = self.0.lock().unwrap();
        state.1 += 1;
        let now = SystemClock.now();
        let mut revision = Revision::new("directives", "uuid");
        revision.max_seq_no = Some(state.0);
        let directive = DiagnosticsDirective::new("slow", DiagLevel::Shape, jiff::Timestamp::MAX);
        let set = DirectiveSet::from_directives(vec![directive]);
        let snapshot = Snapshot::new(set, revision, now);
        let polled = Polled::changed(state.0, snapshot, now);
        async { Ok(polled) }.boxed()
    }
}

/// How the scripted index of the fleet responds to requests.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::fleet) enum Index {
    Accepts,
    Missing,
    Forbidden,
    Hangs,
}

/// A scripted index of the fleet, with the reports that it has received.
#[derive(Debug)]
pub(in crate::fleet) struct Fleet {
    index: Mutex<Index>,
    reports: Mutex<Vec<(Instant, Value)>>,
    deleted: Mutex<Vec<Value>>,
    /// The records in the history of the fleet; `None` if there is no history.
    pub(in crate::fleet) history: Mutex<Option<Vec<Value>>>,
}

impl Fleet {
    pub(in crate::fleet) fn new(index: Index) -> Arc<Self> {
        Arc::new(Self {
            index: Mutex::new(index),
            reports: Mutex::default(),
            deleted: Mutex::default(),
            history: Mutex::default(),
        })
    }

    pub(in crate::fleet) fn set(&self, index: Index) {
        *self.index.lock().unwrap() = index;
    }

    pub(in crate::fleet) fn reports(&self) -> Vec<(Instant, Value)> {
        self.reports.lock().unwrap().clone()
    }

    fn last(&self) -> Value {
        self.reports().pop().unwrap().1
    }
}

impl Transport for Fleet {
    fn send<'a>(
        &'a self,
        _node: usize,
        request: &'a Request,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        let index = *self.index.lock().unwrap();
        async move {
            let exception = |name: &str| json!({"error": {"type": name, "reason": "scripted"}});
            let (status, body) = match index {
                Index::Hangs => std::future::pending().await,
                Index::Missing => (404, exception("index_not_found_exception")),
                Index::Forbidden => (403, exception("security_exception")),
                Index::Accepts if request.path.ends_with("/_search") => {
                    let old = json!({"_id": "old", "_seq_no": 3, "_primary_term": 1});
                    (200, json!({"hits": {"hits": [old]}}))
                }
                Index::Accepts if request.path.ends_with("/_bulk") => {
                    let body = request.body.clone().unwrap();
                    let lines: Vec<Value> = String::from_utf8_lossy(&body)
                        .lines()
                        .map(|line| serde_json::from_str(line).unwrap())
                        .collect();
                    if lines[0].get("create").is_some() {
                        let mut history = self.history.lock().unwrap();
                        let records = history.as_mut().unwrap();
                        records.extend(lines.iter().skip(1).step_by(2).cloned());
                        return Ok(json_response(200, &json!({"errors": false})));
                    }
                    if let Some(old) = lines[0].get("delete") {
                        assert_eq!(old["if_seq_no"], 3);
                        self.deleted.lock().unwrap().push(old["_id"].clone());
                        return Ok(json_response(200, &json!({"items": []})));
                    }
                    for pair in lines.chunks(2) {
                        assert_eq!(pair[0]["index"]["_id"], pair[1]["instance"]);
                        let report = (Instant::now(), pair[1].clone());
                        self.reports.lock().unwrap().push(report);
                    }
                    let items = vec![json!({"index": {"status": 200}}); lines.len() / 2];
                    (200, json!({"items": items}))
                }
                Index::Accepts if request.path.starts_with("/_data_stream/") => {
                    let exists = self.history.lock().unwrap().is_some();
                    let name = request.path.trim_start_matches("/_data_stream/");
                    let stream = exists.then(|| json!({"name": name}));
                    (200, json!({"data_streams": [stream]}))
                }
                Index::Accepts => (200, json!({})),
            };
            Ok(json_response(status, &body))
        }
        .boxed()
    }
}

/// Starts a store with a poll interval of 10 s, and runs its reporter.
async fn start(
    fleet: &Arc<Fleet>,
) -> (
    Source,
    OpenSearchDirectiveStore,
    tokio::task::JoinHandle<()>,
) {
    let (source, store, reporter) = store_with_reporter(fleet).await;
    (source, store, tokio::spawn(reporter.run()))
}

/// Starts a store with a poll interval of 10 s, and creates its reporter without running it.
pub(in crate::fleet) async fn store_with_reporter(
    fleet: &Arc<Fleet>,
) -> (Source, OpenSearchDirectiveStore, Reporter) {
    let source = Source::default();
    let config = Config::for_source("a test")
        .with_interval(SECOND * 10)
        .with_instance("proxy-1")
        .with_hit_counts();
    let (store, refresher) = OpenSearchDirectiveStore::build_from(config, source.clone()).unwrap();
    tokio::spawn(refresher.run());
    store.ready(SECOND).await.unwrap();
    let cluster = ClusterConfig::new(["http://fleet.example".parse().unwrap()]);
    let client = Client::over(Arc::clone(fleet) as Arc<dyn Transport>, &cluster);
    let reporter = Reporter::over(&store, client).with_kind(InstanceKind::Agent);
    (source, store, reporter.with_host("host-1"))
}

#[tokio::test(start_paused = true)]
async fn an_instance_reports_at_a_jittered_heartbeat_and_at_once_after_a_change() {
    let fleet = Fleet::new(Index::Accepts);
    let (source, store, _reporting) = start(&fleet).await;
    tokio::time::sleep(SECOND * 600).await;
    let reports = fleet.reports();
    assert!((10..=13).contains(&reports.len()), "{}", reports.len());
    let pauses: Vec<Duration> = reports.windows(2).map(|two| two[1].0 - two[0].0).collect();
    let range = HEARTBEAT * 4 / 5..=HEARTBEAT + SECOND / 100;
    assert!(
        pauses.iter().all(|pause| range.contains(pause)),
        "{pauses:?}"
    );
    assert!(pauses.windows(2).any(|two| two[0] != two[1]), "jitter");
    let first = &reports[0].1;
    assert_eq!(first["instance"], "proxy-1");
    assert_eq!(first["host"], "host-1");
    assert_eq!(first["kind"], "agent");
    assert_eq!(first["index_uuid"], "uuid");
    assert_eq!(first["staleness"], "fresh");
    assert_eq!(
        (&first["left"], &first["off"]),
        (&json!(false), &json!(false))
    );

    let unmatched = &first["hits"][0];
    assert_eq!(unmatched["id"], "slow");
    assert_eq!(
        (&unmatched["count"], &unmatched["matched"]),
        (&json!(0), &json!(0))
    );
    assert!(unmatched["counted_since"].is_string());
    assert_eq!(unmatched.get("last_matched"), None, "no request yet");
    assert_eq!(first["hits_omitted"], 0);

    let now = SystemClock.now();
    let _ = store
        .load()
        .evaluate(&RequestAttrs::default(), now, "request-1");
    source.change();
    let before = fleet.reports().len();
    store.refresh().await.unwrap();
    tokio::time::sleep(SECOND * 2).await;
    assert_eq!(fleet.reports().len(), before + 1);
    assert_eq!(fleet.last()["max_seq_no"], 1);
    let matched = &fleet.last()["hits"][0];
    assert_eq!(
        (&matched["count"], &matched["matched"]),
        (&json!(1), &json!(1))
    );
    assert!(matched["last_matched"].is_string());
    // If there are many changes within a second, the instance must send only one or two reports.
    for _ in 0..50 {
        source.change();
        store.refresh().await.unwrap();
    }
    tokio::time::sleep(SECOND * 5).await;
    let written = fleet.reports().len() - before - 1;
    assert!((1..=2).contains(&written), "{written}");
    assert_eq!(fleet.last()["max_seq_no"], 51);
    assert_eq!(store.status().counters.reports_failed, 0);
    let deleted = fleet.deleted.lock().unwrap().clone();
    assert_eq!(deleted, ["old"], "old reports are deleted once a day");
}

#[tokio::test(start_paused = true)]
async fn a_clean_end_is_reported_and_bounded() {
    let fleet = Fleet::new(Index::Accepts);
    let (_source, store, reporting) = start(&fleet).await;
    tokio::time::sleep(SECOND).await;
    store.shutdown().await;
    reporting.await.unwrap();
    assert_eq!(fleet.last()["left"], true);
    assert_eq!(fleet.last()["max_seq_no"], 0, "the set stays in use");

    let (_source, store, reporting) = start(&fleet).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(fleet.last()["left"], false);
    drop(store);
    reporting.await.unwrap();
    assert_eq!(fleet.last()["left"], true, "a dropped store ends, too");

    let (_source, store, reporting) = start(&fleet).await;
    tokio::time::sleep(SECOND).await;
    fleet.set(Index::Hangs);
    store.shutdown().await;
    let begin = Instant::now();
    reporting.await.unwrap();
    assert!(begin.elapsed() <= SECOND * 4, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_refused_or_hangs_delays_no_poll_and_is_tried_again() {
    for refusal in [Index::Missing, Index::Forbidden, Index::Hangs] {
        let fleet = Fleet::new(refusal);
        let (source, store, _reporting) = start(&fleet).await;
        tokio::time::sleep(SECOND * 1000).await;
        let polls = source.polls();
        assert!((90..=115).contains(&polls), "{refusal:?}: {polls} polls");
        let counters = store.status().counters;
        assert_eq!(counters.polls_failed, 0);
        let failed = counters.reports_failed;
        assert!((15..=70).contains(&failed), "{refusal:?}: {failed} reports");
        let written = fleet.reports().len();
        assert_eq!(written, 0, "a missing index is never written to");
        fleet.set(Index::Accepts);
        tokio::time::sleep(HEARTBEAT * 2).await;
        assert!(store.status().counters.reports_written > 0, "{refusal:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_interval_outside_of_the_bounds_is_replaced_by_the_nearest_bound() {
    let fleet = Fleet::new(Index::Accepts);
    let (_source, store, _reporting) = start(&fleet).await;
    for (interval, used) in [
        (Duration::ZERO, SECOND),
        (SECOND * 5, SECOND * 5),
        (Duration::MAX, SECOND * 86_400),
    ] {
        let cluster = ClusterConfig::new(["http://fleet.example".parse().unwrap()]);
        let reporter = Reporter::new(&store, &cluster).unwrap();
        assert_eq!(reporter.with_interval(interval).identity.heartbeat, used);
    }
}
