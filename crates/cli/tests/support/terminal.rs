//! Runs the `directives` binary on a pseudo-terminal, so that the command asks questions and fits
//! its output to the width of the terminal.

use std::process::Command;

use super::command::{BINARY, Ran};

/// A pseudo-terminal with `columns` columns, on which tests run commands for the cluster `url` and
/// the index `index`.
pub(crate) struct Terminal<'a> {
    pub(crate) url: &'a str,
    pub(crate) index: &'a str,
    pub(crate) columns: u16,
}

impl Terminal<'_> {
    /// Runs the command on the pseudo-terminal, and types `reply` in response to each question of
    /// the command. If `reply` is `EOF`, the function ends the command's input instead of typing a
    /// reply.
    pub(crate) fn run(&self, args: &[&str], reply: &str) -> Ran {
        self.run_with(&[], args, reply)
    }

    /// Works like [`run`](Self::run), but sets the additional environment variables in `variables`.
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
            // The command gets a long time limit for its requests, because a busy machine may be
            // slow to respond.
            .env("DIRECTIVES_REQUEST_TIMEOUT", "60s")
            .env("NO_COLOR", "1")
            .envs(variables.iter().copied())
            .output();
        output.unwrap().into()
    }
}
