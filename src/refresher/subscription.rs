//! Notifies the subscribers of each published snapshot.

use tokio::sync::watch;

use crate::error::Stopped;
use opensearch_directives_core::Snapshot;
use opensearch_directives_core::internal::{Published, Publisher, publication};

/// The writer of the published snapshot, which also notifies the subscribers. The loop owns it, and
/// subscriptions end when it is dropped.
#[derive(Debug)]
pub(super) struct Outlet {
    publisher: Publisher<Snapshot>,
    notify: watch::Sender<()>,
}

impl Outlet {
    /// Creates an outlet, the reader of its snapshots, and the first subscription.
    pub(super) fn new() -> (Self, Published<Snapshot>, Subscription) {
        let (publisher, current) = publication(Snapshot::default());
        let (notify, subscription) = watch::channel(());
        (
            Self { publisher, notify },
            current,
            Subscription(subscription),
        )
    }

    /// Replaces the snapshot in one swap, then wakes the subscribers. They load this snapshot or a
    /// later one.
    pub(super) fn publish(&mut self, snapshot: Snapshot) {
        self.publisher.publish(snapshot);
        self.notify.send_replace(());
    }
}

/// Notifies one subscriber of publishes. A clone continues from the same position.
///
/// [`OpenSearchDirectiveStore::subscribe`](crate::OpenSearchDirectiveStore::subscribe) creates a
/// subscription. It keeps no set, but only whether there was a publish. Several publishes in quick
/// succession may cause only one notification.
#[derive(Clone, Debug)]
pub struct Subscription(watch::Receiver<()>);

impl Subscription {
    /// Completes when a set was published after the last call, or after the subscription was
    /// created. It completes immediately if that has already happened. A load that begins
    /// afterwards returns the published set or a later one.
    ///
    /// A publish changes the directives, the revision or the rejections, so the directives may be
    /// the same as before. The start and the expiry of a directive happen without a publish and
    /// cause no notification.
    ///
    /// This method is cancel safe.
    ///
    /// # Errors
    /// [`Stopped`] when the store was shut down or dropped. It publishes no more sets.
    pub async fn changed(&mut self) -> Result<(), Stopped> {
        self.0.changed().await.map_err(|_| Stopped)
    }

    /// Creates a subscription to a sender, for tests in other crates.
    #[doc(hidden)]
    #[must_use]
    pub fn of(notify: &watch::Sender<()>) -> Self {
        Self(notify.subscribe())
    }

    /// Returns a subscription that is notified of later publishes only.
    pub(crate) fn anew(&self) -> Self {
        let mut receiver = self.0.clone();
        receiver.mark_unchanged();
        Self(receiver)
    }
}
