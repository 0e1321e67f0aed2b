//! Reads files on a blocking thread for a limited time, so that a file system that does not respond
//! delays a caller only for this time and occupies only one thread.

use std::fmt;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

/// Runs reads of the same files, of which at most one runs at a time.
///
/// Nobody can end a read that a file system blocks. Until the file system responds, the read
/// occupies its thread, and each further read would occupy another thread.
pub(crate) struct LimitedRead<T>(Mutex<Option<JoinHandle<T>>>);

/// The reason why a read of files returned nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error("the files were not read within {0:?}; check their file system")]
    InTime(Duration),
    #[error("the read of the files panicked")]
    Panic(#[source] JoinError),
}

impl<T: Send + 'static> LimitedRead<T> {
    /// Runs `read` on a blocking thread and waits at most `limit` for its result. If an earlier
    /// read is still running, the function waits for the result of that read instead.
    pub(crate) async fn run(
        &self,
        limit: Duration,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unread> {
        let mut last = self.0.lock().await;
        let running = match &mut *last {
            Some(running) if !running.is_finished() => running,
            last => last.insert(spawn_blocking(read)),
        };
        match tokio::time::timeout(limit, running).await {
            Err(_) => Err(Unread::InTime(limit)),
            Ok(Ok(read)) => Ok(read),
            Ok(Err(error)) if error.is_panic() => Err(Unread::Panic(error)),
            // The read did not run, because the runtime is shutting down. The runtime will also
            // drop this future.
            Ok(Err(_)) => std::future::pending().await,
        }
    }
}

impl<T> Default for LimitedRead<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> fmt::Debug for LimitedRead<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LimitedRead(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_read_that_does_not_end_is_not_started_twice() {
        let reads = LimitedRead::default();
        let started = Arc::new(AtomicUsize::new(0));
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(std::sync::Mutex::new(blocked));
        let read = || {
            let (started, blocked) = (Arc::clone(&started), Arc::clone(&blocked));
            move || {
                started.fetch_add(1, Ordering::Relaxed);
                let _ = blocked.lock().unwrap().recv();
                "the content"
            }
        };
        for _ in 0..3 {
            let over = tokio::time::advance(LIMIT * 2);
            let (result, ()) = tokio::join!(reads.run(LIMIT, read()), over);
            assert!(matches!(result, Err(Unread::InTime(LIMIT))));
        }
        // A caller that does not wait until the limit does not start another read, either.
        assert!(futures_util::poll!(Box::pin(reads.run(LIMIT, read()))).is_pending());
        drop(release);
        assert_eq!(reads.run(LIMIT, read()).await.unwrap(), "the content");
        assert_eq!(started.load(Ordering::Relaxed), 1);
        assert_eq!(reads.run(LIMIT, read()).await.unwrap(), "the content");
        assert_eq!(started.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_panics_returns_an_error_and_is_tried_again() {
        let reads = LimitedRead::default();
        let result = reads.run(LIMIT, || panic!("out of luck")).await;
        assert!(matches!(result, Err(Unread::Panic(_))));
        assert_eq!(reads.run(LIMIT, || 7).await.unwrap(), 7);
    }
}
