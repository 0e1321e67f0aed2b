//! `directives revoke`, `directives delete`

use clap::Args;
use opensearch_directives::admin::DirectivesApi;

use super::apply::author;
use super::connection::{ConnectionArgs, TimeoutArgs};
use super::exit::Failure;
use super::output::print;

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The directives' ids
    #[arg(required = true)]
    id: Vec<String>,

    /// Who revokes [default: the user's name]
    #[arg(long, value_name = "NAME")]
    author: Option<String>,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

pub(super) async fn run(args: RevokeArgs) -> Result<(), Failure> {
    let writer = DirectivesApi::new(args.connection.client(args.timeout).await?);
    let author = author(args.author);
    for id in &args.id {
        writer.revoke(id, author.as_deref()).await?;
        print(&format!("revoked {id}"))?;
    }
    Ok(())
}

#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The directives' ids
    #[arg(required = true)]
    id: Vec<String>,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

pub(super) async fn delete(args: DeleteArgs) -> Result<(), Failure> {
    let writer = DirectivesApi::new(args.connection.client(args.timeout).await?);
    for id in &args.id {
        writer.delete(id).await?;
        print(&format!("deleted {id}"))?;
    }
    Ok(())
}
