//! The flag `--watch`: reads a list every two seconds and prints it again whenever it has changed,
//! until the process is stopped.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use super::exit::{Exit, Failure};
use super::output::note;

/// The pause between two reads of the list.
const PAUSE: Duration = Duration::from_secs(2);

/// Reads a list repeatedly, and shows the list whenever it has changed. On a terminal, the function
/// shows the list after every read, because the output contains relative times.
///
/// `state` returns the part of the list that is compared to detect a change: everything except
/// relative times.
pub(super) async fn watch<T, S: PartialEq, E: Display>(
    read: impl AsyncFn() -> Result<T, E>,
    state: impl Fn(&T) -> S,
    show: impl Fn(&T) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    let terminal = std::io::stdout().is_terminal();
    let mut shown = None;
    loop {
        match read().await {
            Ok(list) => {
                let state = state(&list);
                if terminal || shown.as_ref() != Some(&state) {
                    if terminal {
                        clear_screen()?;
                    }
                    show(&list)?;
                    shown = Some(state);
                }
            }
            // A failed read does not end the command, because the next read may succeed.
            Err(error) => note(&error.to_string()),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Clears the terminal's screen before the list is printed again. The escape sequences that clear
/// the screen are not colours, so they are written even if NO_COLOR is set.
fn clear_screen() -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(b"\x1b[2J\x1b[H")?;
    Ok(stdout.flush()?)
}
