//! Asks the user on a terminal to confirm a write with a wide effect. A script, which has no
//! terminal, confirms such a write with `--yes`.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::exit::Failure;

/// Returns true if standard input and standard error are terminals, so that the command can ask
/// questions.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Shows the planned writes and asks the user the given question. Only `y` and `yes` count as
/// consent.
///
/// If the command does not run on a terminal, it cannot ask the user, so the function returns an
/// error that names `--yes`.
pub(super) fn confirm(plan: &str, question: &str) -> Result<(), Failure> {
    if !is_interactive() {
        // The error message begins with the question, because the plan may be long.
        let plan = anstream::adapter::strip_str(plan);
        return Err(Failure::usage(format!(
            "{question}\nnothing was written; to write it, add --yes\n{plan}"
        )));
    }
    // This stream removes the colours of the plan if NO_COLOR is set.
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
