//! The outlet is the write half of the published state, which the store reads. The outlet publishes
//! each snapshot and then notifies the subscribers. While the off file exists, the outlet publishes
//! a snapshot without directives.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opensearch_directives_core::internal::{Published, Publisher, SnapshotParts, publication};
use opensearch_directives_core::{DirectiveSet, Snapshot};
use tokio::sync::watch;

use super::read_age::ReadAge;
use super::subscription::Subscription;

/// The published state, which the store reads: the snapshots, and whether the off file exists. A
/// publish replaces all fields of the published state together in one swap.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// The snapshot of the last complete read, which the outlet keeps even while the off file
    /// exists.
    kept: Arc<Snapshot>,
    /// The snapshot with which the store evaluates requests. While the off file exists, `shown`
    /// contains no directives. Without an off file, `shown` is the snapshot of the last complete
    /// read.
    shown: Arc<Snapshot>,
    is_off: bool,
    /// The age of the read that returned the snapshot `kept`; `None` for an empty snapshot. The age
    /// of the published set may be lower than the age of this read, because later polls may have
    /// found the index unchanged.
    read_age: Option<ReadAge>,
    /// The number of times that the directive set was emptied, each of which begins a new epoch.
    /// Within an epoch, each snapshot is at least as new as the snapshot that it replaced.
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

    /// Returns the snapshot of the last complete read, even while the off file hides its
    /// directives.
    pub(crate) fn kept(&self) -> &Arc<Snapshot> {
        &self.kept
    }

    /// Returns the snapshot with which the store evaluates requests.
    pub(crate) fn shown(&self) -> &Arc<Snapshot> {
        &self.shown
    }

    /// Returns the age of the read that returned the snapshot of the last complete read.
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
/// outlet. All subscriptions end when the polling loop and the off switch have dropped the outlet.
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
    /// subscribers. A subscriber that loads the directive set after the notification gets the new
    /// set or a later one. A publish does not change whether the off file hides the directives.
    ///
    /// `age` is the time since the snapshot was read. An `age` of `None` means that `snapshot` is
    /// empty. A later snapshot of any age may replace an empty snapshot.
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

    /// Hides all directives, or makes the directives of the last complete read apply again. Returns
    /// true if the call has changed whether the directives are hidden.
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

    /// Acquires the lock for publishing. The lock ensures that the polling loop and the off switch
    /// never publish at the same time. Readers of the published state do not need the lock for
    /// publishing.
    fn lock(&self) -> MutexGuard<'_, Publisher<Served>> {
        self.publisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
