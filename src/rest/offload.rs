//! Runs a long computation, such as decoding a large response, on a blocking thread instead of a
//! thread of the runtime.

/// A response of up to this many bytes is decoded on the current thread, because the decoding takes
/// only a fraction of a millisecond.
const DECODE_IN_PLACE: usize = 64 << 10;

/// Converts a number of directives into a number of response bytes: processing the directives takes
/// about as long as decoding a response of this size.
#[must_use]
pub fn weight_of(directives: usize) -> usize {
    directives.saturating_mul(100)
}

/// Runs the closure. If the input of the closure is large, runs the closure on a blocking thread,
/// so that it does not delay other tasks of the runtime.
pub async fn off_the_runtime<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes <= DECODE_IN_PLACE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // If the closure panicked, the panic continues here, so that the refresher, which runs the
        // poll, catches and reports the panic.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The closure did not run, because the runtime is shutting down. The runtime that is
            // shutting down will drop the current task, too, so this task may wait forever.
            Err(_) => std::future::pending().await,
        },
    }
}
