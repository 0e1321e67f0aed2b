//! Defines the flags that state which signing keys a proxy trusts, and which directives need
//! signatures.

use std::path::PathBuf;

use clap::Args;
use opensearch_directives::signatures::{SignatureChecks, SignaturePolicy};

use super::exit::Failure;

#[derive(Debug, Args)]
#[command(next_help_heading = "Signatures")]
pub(super) struct SignatureArgs {
    /// File of public keys whose signatures count, one per line; separate several files by commas,
    /// or repeat the flag; a file is read again when it changes [default: signatures are not
    /// verified]
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    trusted_keys: Vec<PathBuf>,

    /// Which directives need a signature: `optional` (none), `required` (each one), or `policy
    /// FILE` (those that a policy file names) [default: required]
    #[arg(long, value_name = "POLICY", num_args = 1..=2, requires = "trusted_keys")]
    signatures: Vec<String>,
}

impl SignatureArgs {
    /// Returns how the store checks signatures according to the flags; `None` if `--trusted-keys`
    /// is not given.
    pub(super) fn checks(&self) -> Result<Option<SignatureChecks>, Failure> {
        if self.trusted_keys.is_empty() {
            return Ok(None);
        }
        let checks = SignatureChecks::new(&self.trusted_keys);
        // In an environment variable, one string contains both the word `policy` and the path of
        // the policy file.
        let words: Vec<&str> = match &self.signatures[..] {
            [one] => match one.split_once(' ') {
                Some((name, file)) => vec![name, file],
                None => vec![one],
            },
            words => words.iter().map(String::as_str).collect(),
        };
        match words[..] {
            [] | ["required"] => Ok(Some(checks)),
            ["optional"] => Ok(Some(checks.with_policy(SignaturePolicy::optional()))),
            ["policy", file] => Ok(Some(checks.with_policy_file(file))),
            _ => Err(Failure::usage(format!(
                "--signatures {}: write optional, required, or policy FILE (ids before the flag)",
                words.join(" ")
            ))),
        }
    }
}
