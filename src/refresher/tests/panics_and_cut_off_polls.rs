//! Tests faults that occur outside of the cluster, such as a panic of the application's clock.
//! These tests also check that a cancelled poll closes its point in time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::json;

use super::*;
use crate::http::scripted_transport::json_response;
use crate::http::{Method, Request, RequestFailure, Response};

#[tokio::test(start_paused = true)]
async fn callers_that_arrive_during_a_poll_share_the_next_one() {
    let (fake, store) = start(Order::Good(1)).await;
    fake.set(Order::Hang);
    let first = store.refresh();
    let others = async {
        // The poll for the first caller of `refresh` begins while the test sleeps.
        tokio::time::sleep(SECOND).await;
        fake.set(Order::Good(2));
        futures_util::future::join_all((0..50).map(|_| store.refresh())).await
    };
    let (first, others) = tokio::join!(first, others);
    assert!(first.is_err());
    assert!(others.iter().all(Result::is_ok), "{others:?}");
    assert_eq!(store.load().len(), 2);
    assert_eq!(fake.polls(), 3);
}

/// A clock that panics while a test has set the flag to true.
#[derive(Debug, Default)]
struct Broken(AtomicBool);

impl Clock for Broken {
    fn now(&self) -> Timestamp {
        assert!(!self.0.load(Ordering::Relaxed), "no time");
        Noon.now()
    }
}

#[tokio::test(start_paused = true)]
async fn p10_a_clock_that_panics_does_not_end_the_polling() {
    let clock = Arc::new(Broken::default());
    let config = config().with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let (fake, store) = start_with(&config, Order::Good(3)).await;
    clock.0.store(true, Ordering::Relaxed);
    let error = store.refresh().await.unwrap_err();
    assert_eq!(error.poll_error().unwrap().kind(), PollErrorKind::Panic);
    assert_eq!(store.load().len(), 3, "the set stays");
    assert_eq!(store.status().counters.panics, 1);
    clock.0.store(false, Ordering::Relaxed);
    fake.set(Order::Good(4));
    tokio::time::sleep(SECOND * 60).await;
    assert_eq!(store.load().len(), 4);
    assert_eq!(store.status().last_error, None);
}

#[tokio::test(start_paused = true)]
async fn p10_a_clock_that_panics_while_the_set_is_emptied_does_not_end_the_polling() {
    let clock = Arc::new(Broken::default());
    let config = config()
        .with_clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .with_clear_after(SECOND * 60);
    let (fake, store) = start_with(&config, Order::Good(3)).await;
    fake.set(Order::Good(4));
    clock.0.store(true, Ordering::Relaxed);
    tokio::time::sleep(SECOND * 120).await;
    assert_eq!(store.load().len(), 0, "emptied for its age");
    clock.0.store(false, Ordering::Relaxed);
    tokio::time::sleep(SECOND * 60).await;
    assert_eq!(store.load().len(), 4);
    assert_eq!(store.status().last_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_last_good_file_that_could_not_be_written_is_written_once_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("later");
    let file = inner.join("last-good");
    let config = config().with_last_good(&file);
    let (_fake, store) = start_with(&config, Order::Good(1)).await;
    assert!(store.status().last_good_error.is_some());
    std::fs::create_dir(&inner).unwrap();
    store.refresh().await.unwrap();
    assert_eq!(store.status().last_good_error, None);
    assert!(file.exists());
    assert_eq!(store.status().counters.publishes, 1, "nothing changed");
}

/// A transport to an index whose documents need more than one page. The transport opens a point in
/// time, but never responds to a search in the point in time.
#[derive(Debug)]
struct Paged {
    /// True if the transport responds to the request that closes a point in time.
    closes: bool,
    sent: Mutex<Vec<String>>,
}

impl Transport for Paged {
    fn send<'a>(
        &'a self,
        _node: usize,
        request: &'a Request,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        self.sent.lock().unwrap().push(request.operation());
        let path = request.path.clone();
        let hangs = path == "/_search" || request.method == Method::Delete && !self.closes;
        async move {
            if hangs {
                return std::future::pending().await;
            }
            let mut status = 200;
            let body = if path.ends_with("point_in_time") {
                json!({"pit_id": "p"})
            } else if path.contains("_settings") {
                json!({"directives": {"settings": {
                    "index.uuid": "u", "index.number_of_shards": "1",
                }}})
            } else if !path.contains("_search") {
                status = 404;
                json!({"error": "no such thing here"})
            } else {
                json!({
                    "timed_out": false,
                    "_shards": {"total": 1, "successful": 1, "failed": 0},
                    "hits": {"total": {"value": 20_000, "relation": "eq"}, "hits": []},
                })
            };
            Ok(json_response(status, &body))
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_point_in_time_is_closed_when_the_deadline_cuts_the_poll() {
    // Closing the point in time must not delay the polling loop, even if the server does not
    // respond.
    for closes in [true, false] {
        let mut config = config()
            .with_startup(crate::Startup::Empty)
            .with_poll_timeout(SECOND * 5);
        config.cluster.request_timeout = SECOND * 60;
        let paged = Arc::new(Paged {
            closes,
            sent: Mutex::default(),
        });
        let client = Client::over(Arc::clone(&paged) as Arc<dyn Transport>, &config.cluster);
        let begin = Instant::now();
        let store = OpenSearchDirectiveStore::start_over(&config, client)
            .await
            .unwrap();
        store.refresh().await.unwrap_err();
        assert_eq!(begin.elapsed().as_secs(), 5);
        tokio::task::yield_now().await;
        let sent = paged.sent.lock().unwrap();
        let last = sent.last().unwrap();
        assert_eq!(last, "DELETE /_search/point_in_time", "{sent:?}");
    }
}
