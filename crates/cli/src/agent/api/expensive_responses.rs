//! Limits the computation of large responses, which need much processor time or memory. The agent
//! computes large responses on tokio's blocking threads, and only a limited number of them at the
//! same time. Batches of evaluations have permits of their own, so that clients that read the set
//! slowly keep no other client from evaluating its requests.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// The agent computes a response with more directives than this number on a thread for blocking
/// work instead of a thread of the async runtime.
const MAX_INLINE_SIZE: usize = 1000;
/// The maximum number of responses with permits of one [`Admission`] that are computed or sent at
/// the same time.
const MAX_CONCURRENT: usize = 16;
/// The maximum time for which a request waits for a permit to compute a large response; after this
/// time, the agent responds that it is overloaded.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// Issues the permits, which limit the number of large responses of one kind that the agent
/// computes or sends at the same time.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    permits: Arc<Semaphore>,
    /// The name of this kind of responses in error messages, in the plural.
    kind: &'static str,
}

/// A permit to compute and send one large response. Dropping the permit makes it available for
/// another large response.
#[derive(Debug)]
pub(super) struct AdmissionPermit(
    #[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit,
);

impl Admission {
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(MAX_CONCURRENT)),
            kind,
        }
    }

    /// Waits for a permit to compute a large response, but not longer than [`PERMIT_TIMEOUT`].
    pub(super) async fn permit(&self) -> Result<AdmissionPermit, Problem> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout(PERMIT_TIMEOUT, permit).await {
            Ok(Ok(permit)) => Ok(AdmissionPermit(permit)),
            // The agent never closes the semaphore that issues the permits, so the only possible
            // error is the timeout.
            Ok(Err(_)) | Err(_) => Err(Problem::busy(format!(
                "{MAX_CONCURRENT} {} are in progress; try again",
                self.kind
            ))),
        }
    }
}

/// Runs a closure that processes `size` directives. If `size` is at most [`MAX_INLINE_SIZE`], the
/// closure runs on the current thread. If `size` is greater than [`MAX_INLINE_SIZE`], the closure
/// runs on a thread for blocking work.
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

/// Builds the body of a large response from its bytes. The body holds the permit until the agent
/// has sent the last byte of the body.
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
