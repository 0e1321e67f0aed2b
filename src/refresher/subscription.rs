//! The handle with which an application waits until the store publishes a directive set. The handle
//! does not contain the published set. Several publishes in quick succession may cause only one
//! notification.

use tokio::sync::watch;

use crate::error::Stopped;

/// Notifies one subscriber whenever the store publishes a directive set. A later clone of a
/// subscription does not receive the notifications again that the subscription has already
/// received.
///
/// [`OpenSearchDirectiveStore::subscribe`](crate::OpenSearchDirectiveStore::subscribe) creates a
/// subscription. A subscription only records that a directive set was published, and does not
/// contain the set. Several publishes in quick succession may cause only one notification.
#[derive(Clone, Debug)]
pub struct Subscription(watch::Receiver<()>);

impl Subscription {
    /// Completes when the store publishes a directive set. The call completes immediately if the
    /// store has published a set since the previous call of `changed`, or since the subscription
    /// was created. After `changed` has completed, `load` of the store returns the published set or
    /// a later one.
    ///
    /// The directives may be the same as before, because a publish may change only the revision or
    /// the rejections. The start or the expiry of a directive causes no publish and no
    /// notification.
    ///
    /// `changed` is cancel safe: if its future is dropped, no notification is lost.
    ///
    /// # Errors
    /// Returns [`Stopped`] if the store was shut down or dropped, so that it will publish no
    /// further directive set.
    pub async fn changed(&mut self) -> Result<(), Stopped> {
        self.0.changed().await.map_err(|_| Stopped)
    }

    /// Creates a subscription that `notify` notifies, for tests in other crates.
    #[doc(hidden)]
    #[must_use]
    pub fn of(notify: &watch::Sender<()>) -> Self {
        Self(notify.subscribe())
    }

    pub(super) fn new(receiver: watch::Receiver<()>) -> Self {
        Self(receiver)
    }

    /// Returns a subscription that is notified only of directive sets that the store publishes from
    /// now on.
    pub(crate) fn anew(&self) -> Self {
        let mut receiver = self.0.clone();
        receiver.mark_unchanged();
        Self(receiver)
    }
}
