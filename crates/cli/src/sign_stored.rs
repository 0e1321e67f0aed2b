//! `directives sign`: adds signatures to stored directives without changing their content.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::edit::changeable;
use super::exit::{Exit, Failure};
use super::selection::read_named;
use super::sign_args;
use super::write_args::WriteArgs;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  directives sign slow-acme --sign-with bob.key

A signature covers the stored content. If somebody changes the directive at the same time, the command
adds no signature.")]
pub(super) struct SignStoredArgs {
    /// The directives' ids
    #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
    id: Vec<String>,

    /// The private key, which `directives keygen` created; repeat the flag for several keys
    #[arg(long, value_name = "FILE", required = true)]
    sign_with: Vec<PathBuf>,

    #[command(flatten)]
    write: WriteArgs,
}

pub(super) async fn run(args: SignStoredArgs) -> Result<Exit, Failure> {
    let keys = sign_args::keys(&args.sign_with)?;
    let api = args.write.api().await?;
    let author = args.write.author(&api).await?;
    let now = api.now().await?;
    let (found, not_planned) = read_named(&api, &args.id, |stored| {
        changeable(&stored, now)?;
        Ok(stored)
    })
    .await?;
    let plan = api.plan_signatures(found, &keys, now, &author).await?;
    if !plan.is_empty() {
        args.write.confirm_each("Sign this?", &plan, now)?;
    }
    args.write.execute(&api, plan, not_planned, now).await
}
