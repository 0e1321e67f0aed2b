//! Runs long computations, such as decoding a large response, on blocking threads instead of the
//! runtime's threads.

/// Responses up to this size are decoded on the current thread, which takes a fraction of a
/// millisecond.
const DECODE_IN_PLACE: usize = 64 << 10;

/// Returns the cost of processing this many directives, as the number of response bytes that take
/// the same time to decode.
#[must_use]
pub fn weight_of(directives: usize) -> usize {
    directives.saturating_mul(100)
}

/// Runs the closure on a blocking thread if the input is large, so that other tasks on the same
/// runtime do not wait for it.
pub async fn off_the_runtime<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes <= DECODE_IN_PLACE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The caller of the poll catches the panic and reports it.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down and will drop this task.
            Err(_) => std::future::pending().await,
        },
    }
}
