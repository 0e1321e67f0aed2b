//! `directives keygen`: creates a pair of keys, with which a person signs directives.

use std::path::PathBuf;

use clap::Args;
use opensearch_directives::signatures::SigningKey;
use serde_json::json;

use super::exit::Failure;
use super::output::{ReportFormat, print, print_json};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  directives keygen alice
  directives apply slow-acme --level Shape --tenant acme --sign-with alice.key
  directives agent --trusted-keys alice.pub")]
pub(super) struct KeygenArgs {
    /// The signer's name, perhaps after a folder: NAME.key holds the private key, NAME.pub the
    /// public one
    name: PathBuf,

    /// Format of the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: ReportFormat,
}

pub(super) fn run(args: &KeygenArgs) -> Result<(), Failure> {
    let name = args.name.file_name().unwrap_or_default().to_string_lossy();
    let key = SigningKey::generate(&name).map_err(Failure::usage)?;
    let (private, public) = key.create_files(&args.name).map_err(Failure::usage)?;
    if args.output.is_json() {
        let id = key.public().id().to_string();
        // A path may contain bytes that are not UTF-8, which JSON cannot represent.
        let (private, public) = (private.to_string_lossy(), public.to_string_lossy());
        return print_json(&json!({ "private_key": private, "public_key": public, "id": id }));
    }
    print(&format!(
        "{} holds the private key of {name}; it stays with {name}",
        private.display()
    ))?;
    print(&format!(
        "{} holds the public key {}; give it to the proxies",
        public.display(),
        key.public().id()
    ))
}
