//! Computes large responses, which need much processor time or memory. The agent computes large
//! responses on tokio's threads for blocking work, and limits how many of them it computes at the
//! same time.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// A response with more directives than this number is computed on a thread for blocking work, and
/// not on a thread of the async runtime.
const MAX_INLINE_SIZE: usize = 1000;
/// The maximum number of large responses that are computed or sent at the same time.
const MAX_CONCURRENT: usize = 16;
/// The maximum time for which a request waits for a permit to compute a large response.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// Issues the permits that limit how many large responses are computed or sent at the same time.
#[derive(Clone, Debug)]
pub(super) struct Admission(Arc<Semaphore>);

/// A permit to compute and send one large response. Dropping this value makes the permit available
/// for another large response.
#[derive(Debug)]
pub(super) struct AdmissionPermit(
    #[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit,
);

impl Admission {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_CONCURRENT)))
    }

    /// Waits for a permit to compute a large response, at most for [`PERMIT_TIMEOUT`].
    pub(super) async fn permit(&self) -> Result<AdmissionPermit, Problem> {
        let permit = Arc::clone(&self.0).acquire_owned();
        match tokio::time::timeout(PERMIT_TIMEOUT, permit).await {
            Ok(Ok(permit)) => Ok(AdmissionPermit(permit)),
            // The semaphore of the permits is never closed, so the only possible error is the
            // timeout.
            Ok(Err(_)) | Err(_) => Err(Problem::busy(format!(
                "{MAX_CONCURRENT} large responses are in progress; try again"
            ))),
        }
    }
}

/// Runs a closure that processes `size` directives. For at most [`MAX_INLINE_SIZE`] directives, the
/// closure runs on the current thread. A closure that processes more directives runs on a thread
/// for blocking work.
pub(super) async fn run_sized<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    if size <= MAX_INLINE_SIZE {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Problem::internal("the agent has a bug: computing the response panicked"))
}

/// Builds the body of a large response. The body holds the permit until the last byte of the body
/// is sent.
pub(super) fn hold_until_sent(permit: AdmissionPermit, bytes: Vec<u8>) -> Bytes {
    struct Held(
        Vec<u8>,
        #[expect(dead_code, reason = "dropped with the bytes")] AdmissionPermit,
    );

    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    Bytes::from_owner(Held(bytes, permit))
}
