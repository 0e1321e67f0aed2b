//! `directives init`: installs the ingest pipeline, the template and the index, and on request also
//! dashboards and roles.

use std::time::Duration;

use clap::Args;
use opensearch_directives::Config;
use opensearch_directives::admin::{Installer, LifetimeLimitsChange};

use super::confirm::confirm;
use super::connection::{ConnectionArgs, TimeoutArgs};
use super::context_file;
use super::dashboards_address::DashboardsAddress;
use super::duration::{length, parse, signed};
use super::exit::Failure;
use super::init_report::{Dashboards, InitReport};
use super::output::ReportFormat;
use super::report_wording::count;

#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("recorded").multiple(true),
    after_help = "\
Examples:
  directives init --dry-run
  directives init --default-ttl 15m --max-ttl 7d --max-capture-ttl 1h
  directives init --history --retention 400d --roles"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct InitArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,

    /// Print the requests that this command would send, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Format of the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: ReportFormat,

    /// Do not ask for confirmation in a protected context
    #[arg(short, long)]
    yes: bool,

    /// Set the time to live of directives that state no end; later runs keep the value
    /// [default: the installed value, initially 15m]
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    default_ttl: Option<Duration>,

    /// Set the longest time to live of directives; later runs keep the value
    /// [default: the installed value, initially 30d]
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    max_ttl: Option<Duration>,

    /// Set the longest time to live of directives that capture; later runs keep the value
    /// [default: the installed value, initially 1h]
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    max_capture_ttl: Option<Duration>,

    /// Set the number of replicas of the index, for clusters with zone awareness
    /// [default: one replica if the cluster has a second node]
    #[arg(long, value_name = "N")]
    replicas: Option<u16>,

    /// Set the priority of the index template [default: the installed value, initially 500]
    #[arg(long, value_name = "N")]
    template_priority: Option<u32>,

    /// Also convert documents that an earlier version of the pipeline stored to the present form
    #[arg(long)]
    upgrade: bool,

    /// Also create the history of the index: the append-only data stream INDEX-history. If the
    /// history exists, this command and the recorders (directives record) record every write in it
    #[arg(long, group = "recorded")]
    history: bool,

    /// How long the histories that --history and --fleet create keep records, such as 400d. The
    /// flag installs a policy of Index State Management for each; without a policy, all records are
    /// kept
    #[arg(long, value_name = "DURATION", requires = "recorded", value_parser = parse)]
    retention: Option<Duration>,

    /// Also import the dashboards into the OpenSearch Dashboards at this address, with its base
    /// path and its workspace (/w/ID) if it has them; a page (/app/...) in the address is ignored
    #[arg(long, value_name = "URL")]
    dashboards: Option<DashboardsAddress>,

    /// The tenant to import the dashboards into: its name, global or private [default: the tenant
    /// that OpenSearch Dashboards selects for the user]
    #[arg(long, value_name = "NAME", requires = "dashboards", value_parser = tenant)]
    dashboards_tenant: Option<String>,

    /// Also install the index INDEX-fleet, in which instances report what they apply, and the
    /// append-only data stream INDEX-fleet-history, which records when each instance began to apply
    /// what
    #[arg(long, group = "recorded")]
    fleet: bool,

    /// Also create or update these roles of the security plugin: INDEX_reader, INDEX_recorder,
    /// INDEX_reporter, INDEX_responder, INDEX_operator, INDEX_auditor and INDEX_installer. The
    /// command maps no users to the roles
    #[arg(long)]
    roles: bool,
}

pub(super) async fn run(args: InitArgs) -> Result<(), Failure> {
    let installer = installer(&args).await?;
    if args.dry_run {
        return plan(&args, &installer).await?.print(args.output.is_json());
    }
    if let Some(context) = context_file::protected()
        && !args.yes
    {
        let location = args.connection.location();
        let plan = what_would_be_done(&args, &location);
        confirm(&plan, &format!("The context {context} is protected."))?;
    }
    let mut report = InitReport::new(args.connection.location());
    let outcome = install(&args, &installer, &mut report).await;
    // If a step of the installation fails, the command still reports the steps that succeeded
    // before.
    if outcome.is_ok() || !report.steps.is_empty() {
        report.print(args.output.is_json())?;
    }
    outcome
}

/// Returns the text that tells the user before a question what the command would do.
fn what_would_be_done(args: &InitArgs, location: &str) -> String {
    let mut parts = vec!["the pipeline", "the template", "the index"];
    let optional = [
        (args.history, "the history"),
        (args.fleet, "the index of the fleet and its history"),
        (args.roles, "the roles"),
        (args.dashboards.is_some(), "the dashboards"),
    ];
    parts.extend(optional.iter().filter(|part| part.0).map(|part| part.1));
    let parts = parts.join(", ");
    let mut text = format!("This would be installed or updated in {location}: {parts}.");
    if args.upgrade {
        text += "\nDocuments that an earlier version stored would be converted.";
    }
    text
}

async fn install(
    args: &InitArgs,
    installer: &Installer,
    report: &mut InitReport,
) -> Result<(), Failure> {
    if args.upgrade {
        let (steps, converted) = installer.upgrade().await?;
        report.steps = steps;
        report.converted = Some(converted);
    } else {
        report.steps = installer.install().await?;
    }
    if args.history {
        let steps = installer.install_history(args.retention).await?;
        report.steps.extend(steps);
    }
    if args.fleet {
        let steps = installer.install_fleet(args.retention).await?;
        report.steps.extend(steps);
    }
    if args.roles {
        report.steps.extend(installer.install_roles().await?);
    }
    if report.converted.is_none() {
        report.warnings.extend(outdated(installer).await?);
    }
    report.warnings.extend(long_lifetimes(installer).await?);
    if let Some(address) = &args.dashboards {
        report.dashboards = Some(import_dashboards(args, installer, address).await?);
    }
    Ok(())
}

/// Returns a report with the requests that the command would send without `--dry-run`.
async fn plan(args: &InitArgs, installer: &Installer) -> Result<InitReport, Failure> {
    let mut report = InitReport::new(args.connection.location());
    report.dry_run = true;
    report.steps = installer.plan().await?;
    if args.upgrade {
        report.converted = Some(installer.outdated_documents().await?);
    }
    if args.history {
        let steps = installer.plan_history(args.retention).await?;
        report.steps.extend(steps);
    }
    if args.fleet {
        let steps = installer.plan_fleet(args.retention).await?;
        report.steps.extend(steps);
    }
    if args.roles {
        report.steps.extend(installer.plan_roles().await?);
    }
    report.dashboards = args.dashboards.as_ref().map(|address| {
        let tenant = address.tenant(args.dashboards_tenant.as_deref());
        Dashboards {
            place: address.place(tenant),
            action: format!(
                "POST {}/api/saved_objects/_import?overwrite=true\n{}",
                address.shown(),
                installer.saved_objects()
            ),
            objects: None,
        }
    });
    Ok(report)
}

async fn import_dashboards(
    args: &InitArgs,
    installer: &Installer,
    address: &DashboardsAddress,
) -> Result<Dashboards, Failure> {
    let tenant = address.tenant(args.dashboards_tenant.as_deref());
    // The command sends the cluster's credentials to OpenSearch Dashboards, which forwards them to
    // the cluster.
    let there = args.connection.with_url(address.url.clone());
    let dashboards = there.client(args.timeout).await?;
    let objects = installer.import_dashboards(&dashboards, tenant).await?;
    let link = address.link(&installer.dashboard_path(), tenant);
    Ok(Dashboards {
        place: address.place(tenant),
        action: format!("open {link}"),
        objects: Some(objects),
    })
}

/// Parses the name of a tenant of OpenSearch Dashboards. The name must be printable ASCII, because
/// the command sends it in an HTTP header.
fn tenant(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("write the name of a tenant, global or private".to_owned())
    }
}

async fn installer(args: &InitArgs) -> Result<Installer, Failure> {
    let client = args.connection.client(args.timeout).await?;
    let bounds = LifetimeLimitsChange {
        default_ttl: args.default_ttl,
        max_ttl: args.max_ttl,
        max_capture_ttl: args.max_capture_ttl,
    };
    let mut installer = Installer::new(client).with_lifetime_limits(bounds);
    if let Some(replicas) = args.replicas {
        installer = installer.with_replicas(replicas);
    }
    if let Some(priority) = args.template_priority {
        installer = installer.with_template_priority(priority);
    }
    Ok(installer)
}

/// Returns a warning if the index contains documents in the format of an earlier version, because
/// proxies reject these documents.
async fn outdated(installer: &Installer) -> Result<Option<String>, Failure> {
    match installer.outdated_documents().await {
        Ok(0) => Ok(None),
        // If the cluster refuses the search for outdated documents, the command only prints a note,
        // because an installer does not need the permission to read directives.
        Err(error) if error.is_refused() => Ok(Some(
            "note: this role may not search the index, so the command did not search for documents \
             of an earlier version"
                .to_owned(),
        )),
        Err(error) => Err(error.into()),
        Ok(outdated) => Ok(Some(format!(
            "warning: found {} not in the stored form, which proxies reject; `directives init \
             --upgrade` converts them",
            count(outdated, "document")
        ))),
    }
}

/// Returns a warning if the cluster permits a longer time to live than proxies with default
/// settings accept.
async fn long_lifetimes(installer: &Installer) -> Result<Option<String>, Failure> {
    let text = |ttl| length(signed(ttl));
    Ok(match installer.lifetime_limits().await? {
        Some(limits) if limits.max_ttl > Config::DEFAULT_MAX_TTL => Some(format!(
            "warning: this index permits directives of {}, but proxies reject more than {} unless \
             they run with a higher --max-ttl",
            text(limits.max_ttl),
            text(Config::DEFAULT_MAX_TTL)
        )),
        _ => None,
    })
}
