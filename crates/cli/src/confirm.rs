//! Asks the user on a terminal to confirm a write that affects many requests or directives. A
//! script cannot answer a question on a terminal, so it confirms the write with `--yes`.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::exit::Failure;

/// Returns true if standard input and standard error are terminals, so that the command can ask the
/// user a question.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Shows the planned writes, asks the user the given question, and returns an error unless the user
/// consents. Only the replies `y` and `yes` count as consent.
///
/// Without a terminal, the function cannot ask the user and returns an error that names `--yes`.
pub(super) fn confirm(plan: &str, question: &str) -> Result<(), Failure> {
    if !is_interactive() {
        // The question comes first in the error message, because the plan behind it may be long.
        let plan = anstream::adapter::strip_str(plan);
        return Err(Failure::usage(format!(
            "{question}\nnothing was written; to write it, add --yes\n{plan}"
        )));
    }
    // The stream of `anstream` removes the colours of the plan if `NO_COLOR` is set.
    let mut stderr = anstream::stderr().lock();
    write!(stderr, "{plan}\n{question}\nContinue? [y/N] ")?;
    stderr.flush()?;
    let mut reply = String::new();
    std::io::stdin().lock().read_line(&mut reply)?;
    match reply.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::usage("declined; nothing was written")),
    }
}
