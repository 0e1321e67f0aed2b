//! Notifies the subscribers of each published snapshot.

use tokio::sync::watch;

use crate::error::Stopped;
use opensearch_directives_core::Snapshot;
use opensearch_directives_core::internal::{Published, Publisher, publication};

/// The half that publishes and notifies. The loop owns it; subscriptions end with it.
#[derive(Debug)]
pub(super) struct Outlet {
    publisher: Publisher<Snapshot>,
    notify: watch::Sender<()>,
}

impl Outlet {
    /// An outlet, its published half, and the first subscription.
    pub(super) fn new() -> (Self, Published<Snapshot>, Subscription) {
        let (publisher, current) = publication(Snapshot::default());
        let (notify, subscription) = watch::channel(());
        (
            Self { publisher, notify },
            current,
            Subscription(subscription),
        )
    }

    /// Replaces the snapshot in one swap, then wakes the subscribers: they find this snapshot or
    /// a later one.
    pub(super) fn publish(&mut self, snapshot: Snapshot) {
        self.publisher.publish(snapshot);
        self.notify.send_replace(());
    }
}

/// Notifies one subscriber of publishes. A clone continues from the same position.
///
/// Made by [`OpenSearchDirectiveStore::subscribe`](crate::OpenSearchDirectiveStore::subscribe).
/// It holds no set, only whether there was a publish: several publishes in quick succession may
/// be notified as one.
#[derive(Clone, Debug)]
pub struct Subscription(watch::Receiver<()>);

impl Subscription {
    /// Completes when something was published since the last call, or since the subscription;
    /// at once if that has happened already. A load that begins after that returns the published
    /// set or a later one.
    ///
    /// A publish changes the directives, the revision or the rejections, so the directives may
    /// be the same as before. The start and the expiry of a directive do not depend on a publish
    /// and are not notified.
    ///
    /// This method is cancel safe.
    ///
    /// # Errors
    /// [`Stopped`] when the store was shut down or dropped: nothing more will be published.
    pub async fn changed(&mut self) -> Result<(), Stopped> {
        self.0.changed().await.map_err(|_| Stopped)
    }

    /// A subscription to a sender of a test in another crate.
    #[doc(hidden)]
    #[must_use]
    pub fn of(notify: &watch::Sender<()>) -> Self {
        Self(notify.subscribe())
    }

    /// A subscription that begins now.
    pub(crate) fn anew(&self) -> Self {
        let mut receiver = self.0.clone();
        receiver.mark_unchanged();
        Self(receiver)
    }
}
