//! The outlet is the write half of the published state. The outlet publishes each snapshot and then
//! notifies the subscribers. While the store is off, the outlet publishes a snapshot without
//! directives instead.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opensearch_directives_core::internal::{Published, Publisher, SnapshotParts, publication};
use opensearch_directives_core::{DirectiveSet, Snapshot};
use tokio::sync::watch;

use super::read_age::ReadAge;
use super::subscription::Subscription;

/// The published state. A publish replaces all fields together in one swap.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// The snapshot of the last complete read.
    kept: Arc<Snapshot>,
    /// The snapshot with which requests are evaluated. While the store is off, this snapshot
    /// contains no directives. While the store is on, it is the snapshot of the last complete read.
    shown: Arc<Snapshot>,
    is_off: bool,
    /// The age of the read that returned the snapshot; `None` for an empty snapshot. If later polls
    /// found the index unchanged, the age of the set is lower than the age of this read.
    read_age: Option<ReadAge>,
    /// How often the set was emptied; each time begins another epoch. Within an epoch, each
    /// snapshot is at least as new as the snapshot that it replaced.
    epoch: u64,
}

impl Served {
    fn new(kept: Arc<Snapshot>, is_off: bool, read_age: Option<ReadAge>, epoch: u64) -> Self {
        let shown = if is_off {
            Arc::new(without_directives(&kept))
        } else {
            Arc::clone(&kept)
        };
        Self {
            kept,
            shown,
            is_off,
            read_age,
            epoch,
        }
    }

    /// Returns the snapshot of the last complete read, even if the store is off.
    pub(crate) fn kept(&self) -> &Arc<Snapshot> {
        &self.kept
    }

    /// Returns the snapshot with which requests are evaluated.
    pub(crate) fn shown(&self) -> &Arc<Snapshot> {
        &self.shown
    }

    /// Returns the age of the read that returned the kept snapshot.
    pub(crate) fn read_age(&self) -> Option<Duration> {
        self.read_age.map(ReadAge::now)
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns true if the off file exists, so that no directive applies.
    pub(crate) fn is_off(&self) -> bool {
        self.is_off
    }
}

impl AsRef<DirectiveSet> for Served {
    fn as_ref(&self) -> &DirectiveSet {
        self.shown.set()
    }
}

fn without_directives(snapshot: &Snapshot) -> Snapshot {
    SnapshotParts {
        revision: snapshot.revision().cloned(),
        rejections: snapshot.rejections().to_vec(),
        revoked: snapshot.revoked(),
        read_at: snapshot.read_at(),
        ..SnapshotParts::default()
    }
    .into()
}

/// Publishes snapshots and notifies subscribers. The polling loop and its off switch share the
/// outlet. When the polling loop and the off switch have dropped the outlet, all subscriptions end.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    publisher: Arc<Mutex<Publisher<Served>>>,
    published: Published<Served>,
    notify: watch::Sender<()>,
}

impl Outlet {
    /// Creates an outlet together with the read half of the published state and the first
    /// subscription.
    pub(super) fn new() -> (Self, Published<Served>, Subscription) {
        let (publisher, readable) = publication(Served::default());
        let (notify, receiver) = watch::channel(());
        let outlet = Self {
            publisher: Arc::new(Mutex::new(publisher)),
            published: readable.clone(),
            notify,
        };
        (outlet, readable, Subscription::new(receiver))
    }

    /// Replaces the snapshot of the last complete read in one swap, and then notifies the
    /// subscribers. If a subscriber loads the set after the notification, it gets the new snapshot
    /// or a later one. A store that is off stays off after the publish.
    ///
    /// `age` is the time since the snapshot was read. An `age` of `None` stands for an empty
    /// snapshot. A snapshot of any age may replace an empty one.
    pub(super) fn publish(&self, snapshot: Snapshot, age: Option<Duration>) {
        let mut publisher = self.lock();
        let current = self.published.snapshot();
        publisher.publish(Served::new(
            Arc::new(snapshot),
            current.is_off(),
            age.map(ReadAge::noted_now),
            current.epoch + u64::from(age.is_none()),
        ));
        drop(publisher);
        self.notify.send_replace(());
    }

    /// Hides the directives, or makes the directives of the last complete read apply again. Returns
    /// true if the store was not yet in the requested state.
    pub(super) fn set_off(&self, is_off: bool) -> bool {
        let mut publisher = self.lock();
        let current = self.published.snapshot();
        if current.is_off() == is_off {
            return false;
        }
        publisher.publish(Served::new(
            Arc::clone(current.kept()),
            is_off,
            current.read_age,
            current.epoch,
        ));
        drop(publisher);
        self.notify.send_replace(());
        true
    }

    /// Acquires the lock. The lock ensures that the loop and the off switch never publish at the
    /// same time. Readers of the published state do not need the lock.
    fn lock(&self) -> MutexGuard<'_, Publisher<Served>> {
        self.publisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
