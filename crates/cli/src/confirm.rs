//! Asks for consent on a terminal before a change with wide effect; a script passes `--yes`
//! instead.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::exit::Failure;

/// Whether standard input and standard error are a terminal, so that the command can ask.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Shows what would be written, and asks a question. Only `y` and `yes` count as consent.
///
/// Without a terminal, it fails and says that `--yes` states the consent.
pub(super) fn confirm(plan: &str, question: &str) -> Result<(), Failure> {
    if !is_interactive() {
        // An error leads with the point.
        return Err(Failure::usage(format!(
            "{question}\nnothing was written; to do it, add --yes\n{plan}"
        )));
    }
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{plan}\n{question}\nContinue? [y/N] ")?;
    stderr.flush()?;
    let mut reply = String::new();
    std::io::stdin().lock().read_line(&mut reply)?;
    match reply.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::usage("declined; nothing was written")),
    }
}
