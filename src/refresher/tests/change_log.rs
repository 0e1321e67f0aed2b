//! Tests that the change log counts the start and the expiry of a directive when they happen,
//! without waiting for a poll. Tests in other files check the lines that the change log writes.

use super::*;

/// A clock that begins at noon and advances with the virtual time of the test.
#[derive(Debug)]
struct Running(Instant);

impl Clock for Running {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.0.elapsed()).unwrap();
        Noon.now() + elapsed
    }
}

#[tokio::test(start_paused = true)]
async fn the_start_and_the_expiry_of_a_directive_are_counted_when_they_happen() {
    let config = config()
        .with_clock(Arc::new(Running(Instant::now())))
        .with_interval(SECOND * 3600)
        .with_max_backoff(SECOND * 3600);
    // The directives of the scripted index start at 12:10 and expire at 12:20, long before the next
    // poll is due.
    let (fake, store) = start_with(&config, Order::Good(2)).await;
    let polls = fake.polls();
    let counted = || {
        let changes = store.status().counters.changes;
        (changes.added, changes.started, changes.expired)
    };
    assert_eq!(counted(), (2, 0, 0));
    for (minutes, expected) in [
        (9, (2, 0, 0)),
        (2, (2, 2, 0)),
        (8, (2, 2, 0)),
        (2, (2, 2, 2)),
    ] {
        tokio::time::sleep(SECOND * 60 * minutes).await;
        assert_eq!(counted(), expected, "{}", config.clock.now());
    }
    assert_eq!(fake.polls(), polls, "no poll was needed");
    tokio::time::sleep(SECOND * 7200).await;
    assert_eq!(counted(), (2, 2, 2), "each is counted once");
}

#[tokio::test(start_paused = true)]
async fn a_start_and_an_expiry_are_counted_between_polls_that_follow_quickly() {
    let config = config()
        .with_clock(Arc::new(Running(Instant::now())))
        .with_interval(SECOND / 4);
    let (_fake, store) = start_with(&config, Order::Good(2)).await;
    for (minutes, expected) in [(11, (2, 0)), (10, (2, 2))] {
        tokio::time::sleep(SECOND * 60 * minutes).await;
        let changes = store.status().counters.changes;
        assert_eq!((changes.started, changes.expired), expected);
    }
}
