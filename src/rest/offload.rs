//! Moves long computations off the threads that serve requests.

/// The most bytes that are decoded on the current thread: a fraction of a millisecond.
const DECODE_IN_PLACE: usize = 64 << 10;

/// The work that this many directives cause, in bytes that take as long to decode.
#[must_use]
pub fn weight_of(directives: usize) -> usize {
    directives.saturating_mul(100)
}

/// Runs work that is too long for the runtime on a thread of its own, so that tasks that serve
/// requests on the same runtime do not wait for it.
pub async fn off_the_runtime<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes <= DECODE_IN_PLACE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The guard around the poll reports the panic.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}
