//! `directives completion` prints a completion script for a shell. `directives man` writes manual
//! pages.

use std::io::Write as _;

use clap::Args;
use clap_complete::Shell;
use clap_complete::env::Shells;

use super::completion_candidates;
use super::exit::Failure;

#[derive(Debug, Args)]
#[command(after_help = "\
The script runs `directives` to complete values, for example the ids of directives in the current
context.

Examples:
  source <(directives completion zsh)
  directives completion fish | source
  directives completion bash > ~/.local/share/bash-completion/completions/directives")]
pub(super) struct CompletionArgs {
    /// The shell that uses the script
    shell: Shell,
}

pub(super) fn run(args: &CompletionArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let shell = shells
        .completer(&args.shell.to_string())
        .ok_or_else(|| Failure::usage(format!("there is no script for {}", args.shell)))?;
    let name = "directives";
    shell.write_registration(
        completion_candidates::VARIABLE,
        name,
        name,
        name,
        &mut script,
    )?;
    Ok(std::io::stdout().lock().write_all(&script)?)
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  directives man ~/.local/share/man/man1")]
pub(super) struct ManArgs {
    /// The folder for the pages
    folder: std::path::PathBuf,
}

pub(super) fn man(args: &ManArgs) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let folder = args.folder.display();
        Failure::other(format!("cannot write the pages to {folder}: {error}"))
    };
    std::fs::create_dir_all(&args.folder).map_err(failed)?;
    clap_mangen::generate_to(super::command(None), &args.folder).map_err(failed)
}
