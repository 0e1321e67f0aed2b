//! Runs the `directives` binary on a pseudo-terminal, so that the command asks questions and fits
//! its output to the width of the terminal.

use std::process::Command;

use super::command::{BINARY, Ran};

/// The settings of a command on a terminal: the cluster, the index and the number of columns.
pub(crate) struct Terminal<'a> {
    pub(crate) url: &'a str,
    pub(crate) index: &'a str,
    pub(crate) columns: u16,
}

impl Terminal<'_> {
    /// Runs the command, and types the given reply to each question. If the reply is `EOF`, the
    /// function ends the command's input instead.
    pub(crate) fn run(&self, args: &[&str], reply: &str) -> Ran {
        self.run_with(&[], args, reply)
    }

    /// Works like [`run`](Self::run), but sets additional environment variables.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], args: &[&str], reply: &str) -> Ran {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/on_terminal.py");
        let mut command = Command::new("python3");
        for (name, _) in std::env::vars() {
            if name.starts_with("DIRECTIVES_") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        let columns = self.columns.to_string();
        let output = command
            .args([script, &columns, reply, BINARY])
            .args(args)
            .env("DIRECTIVES_AUTHOR", "tester")
            .env("DIRECTIVES_URL", self.url)
            .env("DIRECTIVES_INDEX", self.index)
            // The time limit is long, because the machine that runs the tests may be busy.
            .env("DIRECTIVES_REQUEST_TIMEOUT", "60s")
            .env("NO_COLOR", "1")
            .envs(variables.iter().copied())
            .output();
        output.unwrap().into()
    }
}
