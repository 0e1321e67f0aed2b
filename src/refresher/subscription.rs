//! The handle with which an application waits until the store publishes a set. The handle does not
//! contain the published set. Several publishes in quick succession may cause only one
//! notification.

use tokio::sync::watch;

use crate::error::Stopped;

/// Notifies one subscriber whenever a set is published. If a subscription has received a
/// notification, its later clones do not receive this notification again.
///
/// [`OpenSearchDirectiveStore::subscribe`](crate::OpenSearchDirectiveStore::subscribe) creates a
/// subscription. A subscription contains no set. A subscription only records that a set was
/// published. Several publishes in quick succession may cause only one notification.
#[derive(Clone, Debug)]
pub struct Subscription(watch::Receiver<()>);

impl Subscription {
    /// Completes when a set has been published since the previous call of `changed`, or since the
    /// subscription was created. If a set was already published before the call, the call completes
    /// immediately. After `changed` has completed, a load returns the published set or a later one.
    ///
    /// A publish may change only the revision or the rejections, so the directives may be the same
    /// as before. If a directive starts or expires, there is no publish and no notification.
    ///
    /// `changed` is cancel safe: if its future is dropped, no notification is lost.
    ///
    /// # Errors
    /// Returns [`Stopped`] if the store was shut down or dropped, so that it will publish no
    /// further set.
    pub async fn changed(&mut self) -> Result<(), Stopped> {
        self.0.changed().await.map_err(|_| Stopped)
    }

    /// Creates a subscription to a sender, for tests in other crates.
    #[doc(hidden)]
    #[must_use]
    pub fn of(notify: &watch::Sender<()>) -> Self {
        Self(notify.subscribe())
    }

    pub(super) fn new(receiver: watch::Receiver<()>) -> Self {
        Self(receiver)
    }

    /// Returns a subscription that is notified only of sets that are published from now on.
    pub(crate) fn anew(&self) -> Self {
        let mut receiver = self.0.clone();
        receiver.mark_unchanged();
        Self(receiver)
    }
}
