//! A fuzz target that parses arguments of the command `directives`. If a flag precedes the verb,
//! the command moves it behind the verb, and must not lose a flag by this move.

use std::ffi::OsString;

use directives::fuzzing::command_line;

/// Parses the input as a command line, in which each line of the input is one argument.
pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut arguments = vec![OsString::from("directives")];
    arguments.extend(text.split('\n').take(64).map(OsString::from));
    let parsed = command_line(arguments.clone());
    assert_eq!(parsed.moved[0], "directives");
    let mut moved = parsed.moved;
    moved.sort_unstable();
    arguments.sort_unstable();
    assert_eq!(moved, arguments);
    assert_ne!(parsed.message.as_deref(), Some(""));
}
