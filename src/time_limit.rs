//! Limits the duration of a future, and waits for an instant that may not exist. The limit works on
//! every executor, because callers of the store may run outside of a tokio runtime.

use std::panic::catch_unwind;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

/// Returns the future's output, or `None` if the future took longer than the limit.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let future = std::pin::pin!(future);
    match tokio_sleep(limit) {
        Some(sleep) => match select(future, std::pin::pin!(sleep)).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        },
        None => match select(future, thread_sleep(limit)).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        },
    }
}

/// Completes at the instant `at`, or never if `at` is `None`. The future needs a tokio runtime with
/// a timer.
pub(crate) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Returns a future that completes when the time `limit` has passed, by the timer of the current
/// tokio runtime. Returns `None` outside of a tokio runtime, or if the runtime has no timer.
fn tokio_sleep(limit: Duration) -> Option<Sleep> {
    Handle::try_current().ok()?;
    // If the runtime has no timer, tokio panics, and `catch_unwind` catches this panic.
    catch_unwind(|| tokio::time::sleep(limit)).ok()
}

/// Returns a future that a new thread completes when the time `limit` has passed. If the returned
/// future is dropped, the thread ends at once.
fn thread_sleep(limit: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    let (done, is_done) = oneshot::channel::<()>();
    let (dropped, is_dropped) = mpsc::channel::<()>();
    let spawned = thread::Builder::new().spawn(move || {
        let _ = is_dropped.recv_timeout(limit);
        drop(done);
    });
    Box::pin(async move {
        // If no thread could be created, the returned future never completes, so the duration has
        // no limit.
        if spawned.is_err() {
            std::future::pending::<()>().await;
        }
        let _ = is_done.await;
        drop(dropped);
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use futures_util::FutureExt as _;

    use super::*;

    const SHORT: Duration = Duration::from_millis(1);

    async fn limited() -> (Option<()>, Option<u8>) {
        (
            within(SHORT, std::future::pending()).await,
            within(Duration::MAX, async { 1 }).await,
        )
    }

    #[test]
    fn a_future_is_limited_on_every_executor() {
        let expected = (None, Some(1));
        assert_eq!(futures_executor(limited()), expected, "without a runtime");
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let without_timer = builder.build().unwrap();
        assert_eq!(without_timer.block_on(limited()), expected);
        let with_timer = builder.enable_time().build().unwrap();
        assert_eq!(with_timer.block_on(limited()), expected);
    }

    /// Polls a future on the current thread until the future completes.
    fn futures_executor<T>(future: impl Future<Output = T>) -> T {
        struct Unpark(thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: std::sync::Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = std::sync::Arc::new(Unpark(thread::current())).into();
        let mut context = std::task::Context::from_waker(&waker);
        let mut future = std::pin::pin!(future);
        loop {
            if let std::task::Poll::Ready(output) = future.poll_unpin(&mut context) {
                return output;
            }
            thread::park();
        }
    }
}
