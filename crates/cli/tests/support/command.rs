//! Runs the `directives` binary once and captures its output and exit code.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_directives");

/// Returns a command for the `directives` binary, without the environment variables of the test
/// process that would set its flags.
pub(crate) fn directives() -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars() {
        if name.starts_with("DIRECTIVES_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.env("DIRECTIVES_AUTHOR", "tester");
    command
}

/// The exit code and the output of one run of the `directives` binary.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("not JSON: {}", self.stdout))
    }

    /// Returns the result of a command that succeeded, and panics with the error output of a
    /// command that failed.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Creates the protected context `prod` for a cluster and an index, in the context file `file`.
#[track_caller]
pub(crate) fn protected_context(file: &Path, url: &str, index: &str) {
    let set = format!("context set prod --url {url} --directives-index {index} --protected");
    let set = directives()
        .args(words(&set))
        .env("DIRECTIVES_CONFIG", file)
        .output();
    Ran::from(set.unwrap()).ok();
}

/// Runs the `directives` binary for a cluster and an index, with `input` as its standard input.
pub(crate) fn run_with(url: &str, index: &str, args: &[&str], input: &str) -> Ran {
    let mut process = directives()
        .args(args)
        .env("DIRECTIVES_URL", url)
        .env("DIRECTIVES_INDEX", index)
        // The command gets a long time limit for its requests, because a busy machine may be slow
        // to respond.
        .env("DIRECTIVES_REQUEST_TIMEOUT", "60s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The test ignores a failed write, because the command may end before it has read its input.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    process.wait_with_output().unwrap().into()
}

/// Runs `directives apply` with the flags that consent to every write, for tests that do not test
/// consent.
#[track_caller]
pub(crate) fn apply(url: &str, index: &str, args: &[&str]) {
    let consent = [
        "--everything",
        "--replace",
        "--reactivate",
        "--yes",
        "--reason",
        "test",
    ];
    run(url, index, &[&["apply"], args, &consent].concat()).ok();
}

/// Applies a directive as [`apply`] does, but takes the arguments of the verb `apply` as one
/// string.
#[track_caller]
pub(crate) fn apply_line(url: &str, index: &str, line: &str) {
    apply(url, index, &words(line));
}

pub(crate) fn run(url: &str, index: &str, args: &[&str]) -> Ran {
    run_with(url, index, args, "")
}

/// Splits a command line into arguments, where a part in single quotes is one argument.
pub(crate) fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        match number % 2 {
            1 => words.push(part),
            _ => words.extend(part.split_whitespace()),
        }
    }
    words
}
