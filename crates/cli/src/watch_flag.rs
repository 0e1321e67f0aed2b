//! Implements the flag `--watch`: reads a list every two seconds and prints it again when it has
//! changed, until the user stops the process.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use super::exit::{Exit, Failure};
use super::output::note;

/// The time between two reads of the list.
const PAUSE: Duration = Duration::from_secs(2);

/// Reads a list again and again, and prints it whenever it has changed. On a terminal, the function
/// prints the list after every read, because the printed list contains relative times.
///
/// The closure `state` returns the part of the list that is compared to detect a change, without
/// the relative times.
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
            // If a read fails, the command only prints the error, because the next read may
            // succeed.
            Err(error) => note(&error.to_string()),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Clears the screen of the terminal before the list is printed again. The escape sequences that
/// clear the screen are written even if `NO_COLOR` is set, because they are not colours.
fn clear_screen() -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(b"\x1b[2J\x1b[H")?;
    Ok(stdout.flush()?)
}
