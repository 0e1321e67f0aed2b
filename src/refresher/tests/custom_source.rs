//! Tests the polling loop with a source of snapshots that is neither the index nor an agent.

use std::collections::VecDeque;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use opensearch_directives_core::internal::SnapshotParts;
use opensearch_directives_core::{
    DiagLevel, DiagnosticsDirective, DirectiveSet, Revision, Snapshot,
};

use super::*;
use crate::rest::ReadError;
use crate::source::{PauseFuture, Polled, PublishedState, SnapshotSource, SourceReport};

/// A source of snapshots that returns the next one of the given generations at each poll. The
/// source also records the published generation that the refresher passes to each poll.
#[derive(Debug)]
struct Scripted {
    generations: VecDeque<u64>,
    polled_generations: Arc<std::sync::Mutex<Vec<Option<u64>>>>,
}

fn snapshot(generation: u64) -> Snapshot {
    let id = format!("directive-{generation}");
    let directive = DiagnosticsDirective::new(id, DiagLevel::Shape, Timestamp::MAX);
    let set = DirectiveSet::from_directives(vec![directive]);
    Snapshot::from(SnapshotParts {
        digest: set.digest(),
        set,
        revision: Some(Revision::new("directives-1", "u")),
        signatures: Arc::default(),
        rejections: Vec::new(),
        revoked: 0,
        read_at: None,
    })
}

impl SnapshotSource for Scripted {
    fn poll<'a>(
        &'a mut self,
        published: PublishedState<'a>,
    ) -> BoxFuture<'a, Result<Polled, ReadError>> {
        self.polled_generations
            .lock()
            .unwrap()
            .push(published.generation);
        let generation = self.generations.pop_front().unwrap();
        let is_new = published.generation != Some(generation);
        let polled = Polled {
            generation,
            snapshot: is_new.then(|| snapshot(generation)),
            read_at: Noon.now(),
            age: Duration::ZERO,
            origins: None,
        };
        async { Ok(polled) }.boxed()
    }

    fn report(&self) -> SourceReport {
        SourceReport::default()
    }
}

#[tokio::test(start_paused = true)]
async fn p7_a_source_learns_which_of_its_generations_is_published() {
    let polled_generations = Arc::default();
    let source = Scripted {
        generations: [1, 1, 2, 2].into(),
        polled_generations: Arc::clone(&polled_generations),
    };
    let client = Client::over(Fake::new(Order::Hang), &config().cluster);
    let mut refresher = Poller::over(&config(), client, Arc::default(), Box::new(source));
    for _ in 0..3 {
        refresher.poll().await.unwrap();
    }
    assert_eq!(refresher.shared().status().counters.publishes, 2);
    // The published generation must become `None` when the directive set is emptied.
    refresher.clear();
    refresher.poll().await.unwrap();
    assert_eq!(
        *polled_generations.lock().unwrap(),
        [None, Some(1), Some(1), None]
    );
    assert_eq!(refresher.shared().load().len(), 1);
}

/// A source of snapshots that reports a change or panics at the beginning of every pause between
/// two polls.
#[derive(Debug)]
struct Restless {
    polls: Arc<std::sync::atomic::AtomicUsize>,
    panics: bool,
}

impl SnapshotSource for Restless {
    fn poll<'a>(
        &'a mut self,
        _published: PublishedState<'a>,
    ) -> BoxFuture<'a, Result<Polled, ReadError>> {
        self.polls
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let polled = Polled::changed(1, snapshot(1), Noon.now());
        async { Ok(polled) }.boxed()
    }

    fn pause(&mut self, _generation: Option<u64>, _pause: Duration) -> PauseFuture {
        let panics = self.panics;
        Box::pin(async move { assert!(!panics, "requested by the test") })
    }
}

#[tokio::test(start_paused = true)]
async fn p8_a_source_cannot_shorten_the_pause_below_a_bound_and_its_panic_does_not_end_the_loop() {
    for (panics, expected) in [(false, 950..=1001), (true, 9..=12)] {
        let polls = Arc::default();
        let source = Restless {
            polls: Arc::clone(&polls),
            panics,
        };
        let client = Client::over(Fake::new(Order::Hang), &config().cluster);
        let poller = Poller::over(&config(), client, Arc::default(), Box::new(source));
        let (store, refresher) = OpenSearchDirectiveStore::build_over(&config(), poller);
        tokio::spawn(refresher.run());
        tokio::time::sleep(INTERVAL * 10).await;
        let polls = polls.load(std::sync::atomic::Ordering::Relaxed);
        assert!(expected.contains(&polls), "{polls}");
        drop(store);
    }
}
