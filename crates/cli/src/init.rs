//! `directives init`

use clap::Args;
use opensearch_directives::admin::Installer;
use url::Url;

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::exit::Failure;
use super::output::print;

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,

    /// Print the requests that it would send, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Also import the dashboards into the OpenSearch Dashboards at this address
    #[arg(long, value_name = "URL")]
    dashboards: Option<Url>,

    /// Also create the roles INDEX_reader, INDEX_recorder, INDEX_responder, INDEX_operator,
    /// INDEX_auditor and INDEX_installer of the security plugin, or replace those that
    /// differ; mapping users to them is left to you
    #[arg(long)]
    roles: bool,
}

pub(super) async fn run(args: InitArgs) -> Result<(), Failure> {
    let installer = Installer::new(args.connection.client(args.timeout).await?);
    if args.dry_run {
        let mut steps = installer.plan().await?;
        if args.roles {
            steps.extend(installer.plan_roles().await?);
        }
        for step in steps {
            print(&format!(
                "{} the {}\n{} {}\n{:#}\n",
                step.change, step.what, step.method, step.path, step.body
            ))?;
        }
        if let Some(url) = &args.dashboards {
            print(&format!(
                "import into {url}\nPOST /api/saved_objects/_import?overwrite=true\n{}",
                installer.saved_objects()
            ))?;
        }
        return Ok(());
    }
    let mut steps = installer.install().await?;
    if args.roles {
        steps.extend(installer.install_roles().await?);
    }
    for step in steps {
        print(&format!("{:6} {:15} {}", step.change, step.what, step.path))?;
    }
    if let Some(url) = args.dashboards {
        // With the cluster's credentials: Dashboards passes them on.
        let there = args.connection.with_url(url.clone());
        let dashboards = there.client(args.timeout).await?;
        let objects = installer.import_dashboards(&dashboards).await?;
        print(&format!("import {objects} saved objects into {url}"))?;
    }
    Ok(())
}
