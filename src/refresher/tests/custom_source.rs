//! Tests the loop with a source that is neither the index nor an agent.

use std::collections::VecDeque;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use opensearch_directives_core::internal::SnapshotParts;
use opensearch_directives_core::{
    DiagLevel, DiagnosticsDirective, DirectiveSet, Revision, Snapshot,
};

use super::*;
use crate::rest::ReadError;
use crate::source::{Polled, PublishedState, SnapshotSource, SourceReport};

/// A source that reports the next of the given generations at each poll. The source records the
/// published generation that each poll passes to it.
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
    // Emptying the set must reset the published generation to `None`.
    refresher.clear();
    refresher.poll().await.unwrap();
    assert_eq!(
        *polled_generations.lock().unwrap(),
        [None, Some(1), Some(1), None]
    );
    assert_eq!(refresher.shared().load().len(), 1);
}
