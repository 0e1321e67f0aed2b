//! Runs long computations, such as decoding a large response, on blocking threads instead of the
//! runtime's threads.

/// A response of up to this many bytes is decoded on the current thread, because the decoding takes
/// only a fraction of a millisecond.
const DECODE_IN_PLACE: usize = 64 << 10;

/// Returns the number of response bytes whose decoding takes as long as processing the given number
/// of directives.
#[must_use]
pub fn weight_of(directives: usize) -> usize {
    directives.saturating_mul(100)
}

/// Runs the closure on a blocking thread if its input is large, so that the closure does not delay
/// other tasks of the runtime.
pub async fn off_the_runtime<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes <= DECODE_IN_PLACE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // A panic of the closure is resumed, so that the caller of the poll catches and reports it.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and will drop the current task.
            Err(_) => std::future::pending().await,
        },
    }
}
