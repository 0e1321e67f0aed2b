//! Publishing, and telling those who wait for it.

use tokio::sync::watch;

use crate::error::Stopped;
use opensearch_directives_core::Snapshot;
use opensearch_directives_core::internal::{Published, Publisher, publication};

/// The half that publishes, and says so. Belongs to the loop: with it, the
/// subscriptions end.
#[derive(Debug)]
pub(super) struct Outlet {
    publisher: Publisher<Snapshot>,
    told: watch::Sender<()>,
}

impl Outlet {
    /// An outlet, what is published through it, and the first subscription.
    pub(super) fn new() -> (Self, Published<Snapshot>, Subscription) {
        let (publisher, current) = publication(Snapshot::default());
        let (told, subscription) = watch::channel(());
        (
            Self { publisher, told },
            current,
            Subscription(subscription),
        )
    }

    /// Replaces the snapshot in one swap, then wakes who waits for it: whoever is woken
    /// finds this snapshot or a later one.
    pub(super) fn publish(&mut self, snapshot: Snapshot) {
        self.publisher.publish(snapshot);
        self.told.send_replace(());
    }
}

/// Tells of publishes, one subscriber each. A clone goes on from the same place.
///
/// Made by [`OpenSearchDirectiveStore::subscribe`](crate::OpenSearchDirectiveStore::subscribe).
/// It holds no set, only whether there was a publish: publishes that come in quick
/// succession may be told as one, and what to do with the set is the subscriber's choice.
#[derive(Clone, Debug)]
pub struct Subscription(watch::Receiver<()>);

impl Subscription {
    /// Completes when something was published since the last call, or since the
    /// subscription; at once if that has happened already. A load that begins after that
    /// gives what was published, or something later.
    ///
    /// A publish changes the directives, the revision or the rejections, so the
    /// directives may be the same as before. Whether a directive starts or expires does
    /// not depend on a publish, and is not told.
    ///
    /// May be cancelled: nothing is lost then.
    ///
    /// # Errors
    /// [`Stopped`] when the store was shut down or dropped: nothing more will come.
    pub async fn changed(&mut self) -> Result<(), Stopped> {
        self.0.changed().await.map_err(|_| Stopped)
    }

    /// To what a test of another crate tells.
    #[doc(hidden)]
    #[must_use]
    pub fn of(told: &watch::Sender<()>) -> Self {
        Self(told.subscribe())
    }

    /// A subscription that begins now.
    pub(crate) fn anew(&self) -> Self {
        let mut receiver = self.0.clone();
        receiver.mark_unchanged();
        Self(receiver)
    }
}
