//! `directives doctor`: checks everything on which directives depend, and names a remedy for each
//! problem.

mod certificates;
mod documents;
mod fleet_history;
mod history;
mod index;
mod permissions;
mod report;

use std::path::PathBuf;

use clap::Args;
use opensearch_directives::admin::{Client, DirectivesApi, Installer};
use opensearch_directives::history::History;
use opensearch_directives::{Clock as _, Config, SystemClock};

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::duration::{length, signed};
use super::error_text;
use super::exit::{Exit, Failure};
use super::output::ReportFormat;
use report::Checks;

/// The remedy that `doctor` proposes if the user lacks the permission to read the pipeline, the
/// template or the index settings.
const INSTALLER: &str =
    "map the user to the role directives_installer, or let an installer check it";

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  directives doctor --context prod

The command changes nothing. Each line is ok, a warning or a failure, and a warning or a failure
contains the remedy. The exit code is 1 if there is a failure, otherwise 0; warnings do not count.")]
pub(super) struct DoctorArgs {
    /// Format of the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: ReportFormat,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

pub(super) async fn run(args: DoctorArgs) -> Result<Exit, Failure> {
    let client = args.connection.client(args.timeout).await?;
    let mut checks = Checks::default();
    let files = args.connection.certificate_files();
    check_all(&mut checks, client, &args.connection.location(), files).await;
    checks.print(args.output.is_json())?;
    Ok(if checks.have_failed() {
        Exit::Other
    } else {
        Exit::Success
    })
}

async fn check_all(checks: &mut Checks, client: Client, location: &str, files: Vec<PathBuf>) {
    let api = DirectivesApi::new(client.clone());
    certificates::check_files(checks, files);
    if !check_cluster(checks, &api, location).await {
        // `doctor` skips all other checks if it cannot connect to the cluster, because these checks
        // would only report the same error.
        return;
    }
    check_caller(checks, &api).await;
    certificates::check_servers(checks, &api).await;
    check_installation(checks, client.clone()).await;
    let installer = Installer::new(client.clone());
    history::check(checks, &installer, &History::new(client)).await;
    if history::check_fleet(checks, &installer).await {
        fleet_history::check(checks, &api).await;
    }
    if index::check(checks, &api).await {
        permissions::check(checks, &api).await;
        documents::check(checks, &api).await;
    }
    check_clock(checks, &api).await;
}

/// Checks whether the cluster responds, and returns true if it does.
async fn check_cluster(checks: &mut Checks, api: &DirectivesApi, location: &str) -> bool {
    match api.cluster_info().await {
        Ok(info) => {
            let distribution = info
                .distribution
                .as_deref()
                .unwrap_or("unknown distribution");
            let text = format!(
                "{distribution} {} ({}), {location}",
                info.version, info.name
            );
            checks.ok("cluster", text);
            true
        }
        // The roles that `init --roles` creates do not permit a client to request the cluster's
        // version. The check therefore succeeds even if the cluster refuses to return its version.
        Err(error) if error.is_refused() && matches!(api.caller().await, Ok(Some(_))) => {
            checks.ok("cluster", format!("responds at {location}"));
            true
        }
        Err(error) => {
            let fix = "check --url, the network, and the credentials";
            checks.failure("cluster", error_text::text(&error), fix);
            false
        }
    }
}

async fn check_caller(checks: &mut Checks, api: &DirectivesApi) {
    match api.caller().await {
        Ok(Some(caller)) => {
            let mut roles = caller.roles;
            roles.sort();
            let text = format!(
                "authenticated as {}, with the roles {}",
                caller.name,
                roles.join(", ")
            );
            checks.ok("user", text);
        }
        Ok(None) => checks.ok("user", "the cluster does not authenticate users"),
        Err(error) => checks.failure("user", error_text::text(&error), "check the credentials"),
    }
}

/// Compares the installed pipeline, template and index with those that this version would install.
/// Also compares the time to live that the cluster permits with the default limit of the proxies.
async fn check_installation(checks: &mut Checks, client: Client) {
    let name = "installation";
    let installer = Installer::new(client);
    let steps = match installer.plan().await {
        Ok(steps) => steps,
        Err(error) => {
            checks.installation_not_checked(name, &error);
            return;
        }
    };
    for step in steps {
        checks.installed(name, &step, "directives init");
    }
    check_limits(checks, &installer).await;
}

/// Compares the longest time to live that the cluster permits with the longest one that a proxy
/// accepts by default.
async fn check_limits(checks: &mut Checks, installer: &Installer) {
    let length = |ttl| length(signed(ttl));
    match installer.lifetime_limits().await {
        Ok(Some(limits)) if limits.max_ttl > Config::DEFAULT_MAX_TTL => {
            let text = format!(
                "the pipeline permits a time to live of {}, but by default proxies reject more than {}",
                length(limits.max_ttl),
                length(Config::DEFAULT_MAX_TTL)
            );
            checks.warning(
                "limits",
                text,
                "directives init --max-ttl 30d, or a higher --max-ttl at each agent",
            );
        }
        Ok(Some(_)) => checks.ok(
            "limits",
            "the pipeline permits no longer time to live than proxies",
        ),
        Ok(None) => {}
        Err(error) => checks.warning(
            "limits",
            format!("not checked: {}", error_text::text(&error)),
            INSTALLER,
        ),
    }
}

async fn check_clock(checks: &mut Checks, api: &DirectivesApi) {
    let cluster = match api.now().await {
        Ok(cluster) => cluster,
        Err(error) => {
            checks.failure("clock", error_text::text(&error), "check the connection");
            return;
        }
    };
    let skew = cluster.duration_since(SystemClock.now());
    match skew.abs().as_secs() {
        0..=1 => checks.ok("clock", "differs by less than 2s from the cluster's clock"),
        _ => checks.warning(
            "clock",
            format!("differs by {} from the cluster's clock", length(skew.abs())),
            "synchronise both clocks by NTP",
        ),
    }
}
