//! Functions that wait until a condition holds or a deadline passes, so that tests need no sleep of
//! a fixed duration.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::Instant;

const DEADLINE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Calls `observe` repeatedly until `is_expected` returns true for the observed value, and returns
/// this value.
pub async fn eventually<T: Debug>(
    what: &str,
    mut observe: impl AsyncFnMut() -> T,
    is_expected: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let seen = observe().await;
        if is_expected(&seen) {
            return seen;
        }
        assert!(
            Instant::now() < deadline,
            "never: {what}; last seen: {seen:#?}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}

/// Blocks the thread until a condition holds, like [`eventually`] but for tests without an async
/// runtime.
#[expect(
    clippy::disallowed_methods,
    reason = "a blocking test has no timer but the thread's"
)]
pub fn blocking_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(PAUSE);
    }
}
