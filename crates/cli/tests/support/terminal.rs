//! Runs the `directives` binary on a pseudo-terminal, where it asks questions and knows a width.

use std::process::Command;

use super::command::{BINARY, Ran};

/// A terminal that a cluster, an index and replies to questions are set for.
pub(crate) struct Terminal<'a> {
    pub(crate) url: &'a str,
    pub(crate) index: &'a str,
    pub(crate) columns: u16,
}

impl Terminal<'_> {
    /// Runs the command and types a reply to each question; `EOF` ends the input instead.
    pub(crate) fn run(&self, args: &[&str], reply: &str) -> Ran {
        self.run_with(&[], args, reply)
    }

    /// The same with more environment variables.
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
            // The machine may be busy.
            .env("DIRECTIVES_REQUEST_TIMEOUT", "60s")
            .env("NO_COLOR", "1")
            .envs(variables.iter().copied())
            .output();
        output.unwrap().into()
    }
}
