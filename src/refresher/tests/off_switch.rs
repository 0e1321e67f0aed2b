//! Tests that no directive applies while the off file exists, whatever the results of the polls
//! are.

use std::path::{Path, PathBuf};

use futures_util::FutureExt as _;

use super::*;

/// A temporary folder, and the path of an off file in this folder that does not exist yet.
struct Switch {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

impl Switch {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("off");
        Self {
            _folder: folder,
            file,
        }
    }

    fn config(&self) -> Config {
        config().with_off_file(&self.file)
    }

    /// Creates the off file, and waits long enough that the store must have detected the off file.
    async fn on_disk(&self) {
        std::fs::write(&self.file, "").unwrap();
        tokio::time::sleep(SECOND).await;
    }

    async fn removed(&self) {
        std::fs::remove_file(&self.file).unwrap();
        tokio::time::sleep(SECOND).await;
    }
}

/// Reads the published directive set in three ways, and returns the number of directives that each
/// way returns.
fn visible(store: &OpenSearchDirectiveStore, reader: &mut crate::Reader) -> [usize; 3] {
    [
        store.load().len(),
        reader.load().len(),
        store.snapshot().set().len(),
    ]
}

#[tokio::test(start_paused = true)]
async fn while_the_off_file_exists_no_directive_applies() {
    let switch = Switch::new();
    let (_fake, store) = start_with(&switch.config(), Order::Good(2)).await;
    let mut reader = store.reader();
    let before = store.status();
    assert_eq!((visible(&store, &mut reader), before.off), ([2; 3], false));
    switch.on_disk().await;
    assert_eq!(visible(&store, &mut reader), [0; 3]);
    let status = store.status();
    assert!(status.off);
    assert_eq!((status.directives, status.staleness), (0, Staleness::Fresh));
    assert_eq!(status.revision, before.revision);
    assert_eq!(
        status.digest,
        opensearch_directives_core::Snapshot::default().digest()
    );
    assert_eq!(store.states().active + store.states().scheduled, 0);
    assert_eq!(store.kept_snapshot().digest(), before.digest);
    switch.removed().await;
    assert_eq!(visible(&store, &mut reader), [2; 3]);
    let status = store.status();
    assert_eq!((status.off, status.digest), (false, before.digest));
}

#[tokio::test(start_paused = true)]
async fn the_off_file_works_while_a_poll_hangs_and_the_cluster_is_unreachable() {
    let switch = Switch::new();
    let (fake, store) = start_with(&switch.config(), Order::Good(1)).await;
    fake.set(Order::Hang);
    let refresh = store.refresh();
    tokio::pin!(refresh);
    assert!(refresh.as_mut().now_or_never().is_none());
    // The running poll hangs for longer than the interval between two checks for the off file.
    switch.on_disk().await;
    assert!(refresh.as_mut().now_or_never().is_none(), "the poll ended");
    assert!(store.load().is_empty());
    refresh.await.unwrap_err();
    tokio::time::sleep(SECOND * 600).await;
    assert!(store.load().is_empty());
    switch.removed().await;
    assert_eq!(store.load().len(), 1, "the last good set is back at once");
}

#[tokio::test(start_paused = true)]
async fn polls_continue_from_the_kept_set_while_the_store_is_off() {
    let switch = Switch::new();
    let (fake, store) = start_with(&switch.config(), Order::Good(1)).await;
    switch.on_disk().await;
    let before = store.status().counters;
    store.refresh().await.unwrap();
    let after = store.status().counters;
    assert_eq!(after.publishes, before.publishes, "nothing was new");
    assert_eq!(after.reads.full_reads, before.reads.full_reads, "{after:?}");
    fake.set(Order::Good(4));
    store.refresh().await.unwrap();
    assert!(store.load().is_empty());
    assert_eq!(store.kept_snapshot().set().len(), 4);
    fake.set(Order::Hang);
    switch.removed().await;
    assert_eq!(store.load().len(), 4, "the change was read meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_set_that_became_too_old_while_the_store_was_off_does_not_come_back() {
    let switch = Switch::new();
    let config = switch.config().with_clear_after(SECOND * 600);
    let (fake, store) = start_with(&config, Order::Good(1)).await;
    switch.on_disk().await;
    fake.set(Order::Refuse(503, None));
    tokio::time::sleep(SECOND * 700).await;
    switch.removed().await;
    assert!(store.load().is_empty());
    let status = store.status();
    assert_eq!((status.off, status.staleness), (false, Staleness::Dark));
}

#[tokio::test(start_paused = true)]
async fn with_an_off_file_at_the_start_nothing_is_ever_visible() {
    let (switch, folder) = (Switch::new(), tempfile::tempdir().unwrap());
    let last_good = |order| {
        let config = switch
            .config()
            .with_startup(crate::Startup::LastGood)
            .with_last_good(folder.path().join("last-good"));
        async move { start_with(&config, order).await }
    };
    std::fs::write(&switch.file, "").unwrap();
    // The last-good file contains the directives, although the store applies none of them.
    for order in [Order::Good(3), Order::Refuse(503, None)] {
        let (_fake, store) = last_good(order).await;
        let mut reader = store.reader();
        assert_eq!(visible(&store, &mut reader), [0; 3], "{order:?}");
        assert!(store.status().off);
        assert_eq!(store.kept_snapshot().set().len(), 3, "{order:?}");
    }
    std::fs::remove_file(&switch.file).unwrap();
    let (_fake, store) = last_good(Order::Refuse(503, None)).await;
    assert_eq!(store.load().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn subscribers_are_notified_of_each_turn_of_the_off_switch() {
    let switch = Switch::new();
    let (_fake, store) = start_with(&switch.config(), Order::Good(1)).await;
    let mut subscription = store.subscribe();
    switch.on_disk().await;
    assert_eq!(subscription.changed().now_or_never(), Some(Ok(())));
    assert!(store.load().is_empty());
    tokio::time::sleep(SECOND * 60).await;
    assert_eq!(subscription.changed().now_or_never(), None, "once per turn");
    switch.removed().await;
    assert_eq!(subscription.changed().now_or_never(), Some(Ok(())));
    assert_eq!(store.status().counters.publishes, 3);
    store.shutdown().await;
    assert!(subscription.changed().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_check_that_fails_leaves_the_state_as_it_is() {
    let switch = Switch::new();
    let (_fake, store) = start_with(&switch.config(), Order::Good(1)).await;
    switch.on_disk().await;
    // The check for the off file fails, because the parent folder of the off file is now a regular
    // file.
    let folder = switch.file.parent().map(Path::to_owned).unwrap();
    std::fs::remove_file(&switch.file).unwrap();
    std::fs::remove_dir(&folder).unwrap();
    std::fs::write(&folder, "").unwrap();
    tokio::time::sleep(SECOND * 2).await;
    assert!(store.load().is_empty());
    assert!(store.status().off);
    std::fs::remove_file(&folder).unwrap();
    tokio::time::sleep(SECOND).await;
    assert_eq!(store.load().len(), 1);
}
