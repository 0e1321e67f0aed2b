//! Tests the age of the published directive set, and the start and the expiry of its directives.

use opensearch_directives_core::Snapshot;

use super::*;

/// A clock that advances with the virtual time. It starts while the directives of the transport
/// apply.
#[derive(Debug)]
struct Ticking(Instant);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2030-01-01T12:15:00Z".parse().unwrap();
        start + SignedDuration::try_from(self.0.elapsed()).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn p5_the_age_of_the_set_is_visible() {
    let config = config().with_startup(crate::Startup::Empty);
    let (fake, store) = start_with(&config, Order::Hang).await;
    let status = store.status();
    assert_eq!(
        (status.staleness, status.age_seconds),
        (Staleness::Dark, None)
    );
    tokio::time::sleep(SECOND * 100).await;
    assert_eq!(store.status().staleness, Staleness::Dark);
    fake.set(Order::Good(1));
    store.refresh().await.unwrap();
    let status = store.status();
    assert_eq!(
        (status.staleness, status.age_seconds),
        (Staleness::Fresh, Some(0.0))
    );
    fake.set(Order::Hang);
    tokio::time::sleep(SECOND * 30).await;
    assert_eq!(store.status().staleness, Staleness::Fresh);
    tokio::time::sleep(SECOND).await;
    let status = store.status();
    assert_eq!(status.staleness, Staleness::Stale);
    assert!(status.age_seconds.unwrap() > 30.0);
    assert_eq!(status.last_success, Some(Noon.now()));
}

#[tokio::test(start_paused = true)]
async fn p5_a_set_that_is_too_old_is_emptied_only_if_configured() {
    let (fake, kept) = start(Order::Good(2)).await;
    fake.set(Order::Hang);
    let bounded = config().with_clear_after(SECOND * 600);
    let (other, store) = start_with(&bounded, Order::Good(2)).await;
    other.set(Order::Refuse(503, None));
    tokio::time::sleep(SECOND * 599).await;
    assert_eq!(store.load().len(), 2);
    assert_eq!(store.status().staleness, Staleness::Stale);
    assert_eq!(store.kept_snapshot_in_epoch().1, 0);
    tokio::time::sleep(SECOND * 10).await;
    assert!(store.load().is_empty());
    let status = store.status();
    assert_eq!((status.staleness, status.revision), (Staleness::Dark, None));
    assert_eq!(status.counters.publishes, 2, "emptied once");
    tokio::time::sleep(SECOND * 6000).await;
    assert_eq!(store.status().counters.publishes, 2);
    assert_eq!(kept.load().len(), 2, "off by default");
    // The next complete read must publish the directives again after the set was emptied.
    other.set(Order::Good(2));
    store.refresh().await.unwrap();
    assert_eq!(store.load().len(), 2);
    assert_eq!(store.status().staleness, Staleness::Fresh);
    // The epoch has increased once, because a snapshot of any age may replace an empty directive
    // set.
    assert_eq!(store.kept_snapshot_in_epoch().1, 1);
}

#[tokio::test(start_paused = true)]
async fn p5_the_age_of_the_set_counts_from_the_beginning_of_the_poll() {
    let (fake, store) = start(Order::Good(1)).await;
    // The first of these polls reads a change, and the last one finds the index unchanged.
    for directives in [2, 2, 2] {
        let began = Instant::now();
        fake.set(Order::Slow(directives, SECOND / 2));
        store.refresh().await.unwrap();
        assert!(began.elapsed() >= SECOND / 2);
        assert_eq!(
            store.status().age_seconds,
            Some(began.elapsed().as_secs_f64())
        );
        fake.set(Order::Hang);
        tokio::time::sleep(SECOND * 5).await;
    }
    assert_eq!(store.load().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn p12_clear_after_counts_from_the_beginning_of_a_poll() {
    let ticking = Arc::new(Ticking(Instant::now()));
    let config = config()
        .with_clear_after(SECOND * 15)
        .with_clock(Arc::clone(&ticking) as Arc<dyn Clock>);
    let (fake, store) = start_with(&config, Order::Good(1)).await;
    tokio::time::sleep(SECOND * 10).await;
    let began = ticking.now();
    fake.set(Order::Slow(2, SECOND / 2));
    store.refresh().await.unwrap();
    let set = store.load();
    assert_eq!(set.len(), 2);
    let applies = |after: i64| {
        let attrs = RequestAttrs::new("orders", "svc", EndpointKind::Search);
        let at = began + SignedDuration::from_secs(after);
        set.evaluate(&attrs, at, "r").level == crate::DiagLevel::Shape
    };
    assert!(applies(14));
    assert!(!applies(15));
}

#[tokio::test(start_paused = true)]
async fn p5_a_last_good_file_is_as_old_as_its_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = config()
        .with_startup(crate::Startup::LastGood)
        .with_last_good(folder.path().join("last-good"));
    start_with(&config, Order::Good(1)).await;
    let later = |minutes: i64| {
        let clock = Standing(Noon.now() + SignedDuration::from_mins(minutes));
        config.clone().with_clock(Arc::new(clock))
    };
    let (_fake, store) = start_with(&later(9), Order::Refuse(503, None)).await;
    let status = store.status();
    assert_eq!(
        (status.age_seconds, status.staleness),
        (Some(540.0), Staleness::Stale)
    );
    assert_eq!(store.load().len(), 1);
    // If the set in the last-good file is already older than `clear_after`, the first check of the
    // age empties the set.
    let years = later(60 * 24 * 3650).with_clear_after(SECOND * 600);
    let (_fake, store) = start_with(&years, Order::Refuse(503, None)).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(store.load().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p4_start_and_expiry_are_checked_at_read_time_without_the_refresher() {
    let (fake, store) = start(Order::Good(1)).await;
    fake.set(Order::Hang);
    let attrs = RequestAttrs::new("orders", "svc", EndpointKind::Search);
    let applies = |at: Timestamp| {
        let decision = store.load().evaluate(&attrs, at, "r");
        decision.level == crate::DiagLevel::Shape
    };
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let nanosecond = SignedDuration::from_nanos(1);
    let (start, end) = (at("2030-01-01T12:10:00Z"), at("2030-01-01T12:20:00Z"));
    assert!(!applies(start - nanosecond));
    assert!(applies(start));
    assert!(applies(end - nanosecond));
    assert!(!applies(end));
    assert!(!applies(end + nanosecond));
}

#[tokio::test(start_paused = true)]
async fn p5_a_snapshot_has_its_own_age_from_the_moment_of_its_publish() {
    let client = Client::over(Fake::new(Order::Hang), &config().cluster);
    let poller = Poller::new(&config(), client, Arc::default());
    let shared = Arc::clone(poller.shared());
    assert_eq!(shared.age(), None);
    let set_polled = |age| {
        shared.update(|progress| {
            progress.read_age = Some(super::super::read_age::ReadAge::noted_now(age));
        });
    };
    set_polled(SECOND * 60);
    // The age must be right even before the poll has ended, because a notified subscriber may send
    // the age to other instances at once.
    poller.outlet.publish(Snapshot::default(), Some(SECOND * 5));
    assert_eq!(shared.age(), Some(SECOND * 5));
    tokio::time::advance(SECOND * 10).await;
    assert_eq!(shared.age(), Some(SECOND * 15));
    assert_eq!(shared.status().age_seconds, Some(15.0));
    set_polled(SECOND);
    assert_eq!(shared.age(), Some(SECOND));
}
