//! What takes the processor or much memory, kept off the runtime and bounded.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// How many directives, or comparisons with one, are done where requests are served.
const SMALL: usize = 1000;
/// How many such pieces of work, and answers that were made by one and are being sent,
/// there may be at a time.
const AT_A_TIME: usize = 16;
/// How long a request waits for its turn.
const TURN_AT_MOST: Duration = Duration::from_secs(5);

/// Gives turns.
#[derive(Clone, Debug)]
pub(super) struct Work {
    turns: Arc<Semaphore>,
}

/// The right to work. Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Work {
    pub(super) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }

    /// Waits for a turn, for a moment.
    pub(super) async fn turn(&self) -> Result<Turn, Problem> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        match tokio::time::timeout(TURN_AT_MOST, turn).await {
            Ok(Ok(permit)) => Ok(Turn { _permit: permit }),
            // Never closed, so it is the time.
            Ok(Err(_)) | Err(_) => Err(Problem::busy(format!(
                "{AT_A_TIME} large answers are being made or sent already; ask again"
            ))),
        }
    }
}

/// Does a piece of work that looks at so many directives.
pub(super) async fn done<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    if size <= SMALL {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Problem::internal("the agent has a bug: making the answer panicked"))
}

/// An answer's bytes that keep a turn until they are sent.
pub(super) fn sent_within(turn: Turn, bytes: Vec<u8>) -> Bytes {
    struct Kept(
        Vec<u8>,
        #[expect(dead_code, reason = "dropped with the bytes")] Turn,
    );

    impl AsRef<[u8]> for Kept {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    Bytes::from_owner(Kept(bytes, turn))
}
