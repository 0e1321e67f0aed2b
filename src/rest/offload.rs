//! Runs a long computation, such as decoding a large response, on a blocking thread instead of a
//! thread of the runtime.

/// The largest response, in bytes, that is decoded on the current thread, because decoding it takes
/// only a fraction of a millisecond.
const DECODE_IN_PLACE: usize = 64 << 10;

/// Converts a number of directives into a number of bytes: processing the directives takes about as
/// long as decoding a response of so many bytes.
#[must_use]
pub fn weight_of(directives: usize) -> usize {
    directives.saturating_mul(100)
}

/// Runs the closure `work`, whose input has `bytes` bytes. A closure with a large input runs on a
/// blocking thread, so that it does not delay other tasks of the runtime.
pub async fn off_the_runtime<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes <= DECODE_IN_PLACE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // A panic of the closure continues in this task, so that the refresher catches and reports
        // the panic.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The closure did not run, because the tokio runtime is shutting down. This task waits
            // forever, because the runtime that is shutting down will drop this task, too.
            Err(_) => std::future::pending().await,
        },
    }
}
