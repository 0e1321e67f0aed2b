//! Waits until a condition holds, with a deadline; it never waits for a fixed time.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::Instant;

const DEADLINE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `look` returns a value that `is_it` accepts, and returns that value.
pub async fn eventually<T: Debug>(
    what: &str,
    mut look: impl AsyncFnMut() -> T,
    is_it: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let seen = look().await;
        if is_it(&seen) {
            return seen;
        }
        assert!(
            Instant::now() < deadline,
            "never: {what}; last seen: {seen:#?}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}
