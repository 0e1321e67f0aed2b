//! Runs the command in `--credential-command`, such as a password manager, and reads the secret
//! from its output.

use std::process::Stdio;

use opensearch_directives::Secret;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::exit::Failure;

/// The maximum size in bytes of the secret that the credential command prints.
const MAX_BYTES: u64 = 64 << 10;

/// Runs the credential command in the shell, and returns its output as the secret. The credential
/// command shares standard input and standard error with `directives`, so it can ask the user for a
/// password.
pub(super) async fn secret(command: &str) -> Result<Secret, Failure> {
    let failed = |problem: String| Failure::usage(format!("--credential-command: {problem}"));
    let (shell, flag) = if cfg!(windows) {
        ("cmd", "/C")
    } else {
        ("sh", "-c")
    };
    let mut process = Command::new(shell)
        .args([flag, command])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("cannot start {shell}: {error}")))?;
    let mut text = String::new();
    if let Some(stdout) = process.stdout.take() {
        let read = stdout.take(MAX_BYTES + 1).read_to_string(&mut text).await;
        read.map_err(|error| failed(format!("cannot read its output: {error}")))?;
    }
    if text.len() as u64 > MAX_BYTES {
        return Err(failed(format!(
            "the command printed more than {MAX_BYTES} bytes"
        )));
    }
    let status = process
        .wait()
        .await
        .map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        return Err(failed(format!("the command failed: {status}")));
    }
    if text.trim().is_empty() {
        return Err(failed("the command printed nothing".to_owned()));
    }
    Ok(Secret::from(text))
}
