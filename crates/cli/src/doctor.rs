//! `directives doctor`: checks everything that directives depend on, and names the command
//! that mends it.

use anstyle::{AnsiColor, Style};
use clap::Args;
use opensearch_directives::Config;
use opensearch_directives::admin::{Change, Client, DirectivesApi, Installer, Stored};
use opensearch_directives::error::chain;
use opensearch_directives::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::directive_text::printable;
use super::duration::length;
use super::exit::{Exit, Failure};
use super::filters::State;
use super::stdio::{ReportFormat, print};

#[derive(Debug, Args)]
#[command(after_help = "The exit code is 0 if there is no failure; warnings do not count.")]
pub(super) struct DoctorArgs {
    /// Format of the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: ReportFormat,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Health {
    Ok,
    Warning,
    Failure,
}

impl Health {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// One line of the report.
struct Check {
    name: &'static str,
    health: Health,
    text: String,
    /// The command or the step that repairs the problem.
    fix: Option<String>,
}

#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn ok(&mut self, name: &'static str, text: impl Into<String>) {
        self.add(name, Health::Ok, text, None);
    }

    fn warning(&mut self, name: &'static str, text: impl Into<String>, fix: &str) {
        self.add(name, Health::Warning, text, Some(fix));
    }

    fn failure(&mut self, name: &'static str, text: impl Into<String>, fix: &str) {
        self.add(name, Health::Failure, text, Some(fix));
    }

    fn add(
        &mut self,
        name: &'static str,
        health: Health,
        text: impl Into<String>,
        fix: Option<&str>,
    ) {
        self.0.push(Check {
            name,
            health,
            text: text.into(),
            fix: fix.map(str::to_owned),
        });
    }
}

pub(super) async fn run(args: DoctorArgs) -> Result<Exit, Failure> {
    let client = args.connection.client(args.timeout).await?;
    let mut checks = Checks::default();
    check_all(&mut checks, client, &args.connection.location()).await;
    if args.output.is_json() {
        print_json(&checks)?;
    } else {
        print_text(&checks)?;
    }
    let failed = checks.0.iter().any(|check| check.health == Health::Failure);
    Ok(if failed { Exit::Other } else { Exit::Success })
}

async fn check_all(checks: &mut Checks, client: Client, location: &str) {
    let api = DirectivesApi::new(client.clone());
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
        }
        Err(error) => {
            let fix = "check --url, the network, and the credentials";
            checks.failure("cluster", chain(&error), fix);
            // Every other check would report the same.
            return;
        }
    }
    match api.authenticated_user().await {
        Ok(Some(user)) => checks.ok("user", format!("authenticated as {user}")),
        Ok(None) => checks.ok("user", "the cluster authenticates nobody"),
        Err(error) => checks.failure("user", chain(&error), "check the credentials"),
    }
    check_installation(checks, client).await;
    check_clock(checks, &api).await;
    check_documents(checks, &api).await;
}

/// Compares the pipeline, the template, the index, its mapping and its settings with those that
/// this version installs.
async fn check_installation(checks: &mut Checks, client: Client) {
    let steps = match Installer::new(client).plan().await {
        Ok(steps) => steps,
        Err(error) => {
            let fix = "see the message; `directives init` needs the role directives_installer";
            checks.failure("installation", chain(&error), fix);
            return;
        }
    };
    for step in steps {
        if step.change == Change::Keep {
            checks.ok("installation", format!("the {} is up to date", step.what));
        } else if step.change == Change::Create {
            let text = format!("the {} is missing", step.what);
            checks.failure("installation", text, "directives init");
        } else {
            let text = format!(
                "the {} differs from this version's ({})",
                step.what, step.path
            );
            checks.warning("installation", text, "directives init");
        }
    }
}

async fn check_clock(checks: &mut Checks, api: &DirectivesApi) {
    let cluster = match api.now().await {
        Ok(cluster) => cluster,
        Err(error) => {
            checks.failure("clock", chain(&error), "check the connection");
            return;
        }
    };
    let skew = cluster.duration_since(SystemClock.now());
    match skew.abs().as_secs() {
        0..=1 => checks.ok("clock", "differs by less than 2s from the cluster's"),
        _ => checks.warning(
            "clock",
            format!("differs by {} from the cluster's", length(skew.abs())),
            "synchronise both clocks by NTP",
        ),
    }
}

async fn check_documents(checks: &mut Checks, api: &DirectivesApi) {
    let all = match api.list().await {
        Ok(all) => all,
        Err(error) => {
            let fix = "the role directives_operator or directives_reader grants reading";
            checks.failure("documents", chain(&error), fix);
            return;
        }
    };
    let bound = Config::DEFAULT_MAX_DOCUMENTS;
    let text = format!("{} of at most {bound}", all.len());
    if all.len() * 5 > bound * 4 {
        checks.warning("documents", text, "directives prune --ended-before 90d");
    } else {
        checks.ok("documents", text);
    }
    let now = SystemClock.now();
    let rejected: Vec<&Stored> = all
        .iter()
        .filter(|stored| State::of(stored, now) == State::Rejected)
        .collect();
    match rejected.first() {
        None => checks.ok("documents", "none is malformed"),
        Some(first) => checks.warning(
            "documents",
            format!(
                "{} malformed, such as {}",
                rejected.len(),
                printable(&first.id)
            ),
            "directives list --state rejected",
        ),
    }
}

fn print_text(checks: &Checks) -> Result<(), Failure> {
    for check in &checks.0 {
        let color = match check.health {
            Health::Ok => AnsiColor::Green,
            Health::Warning => AnsiColor::Yellow,
            Health::Failure => AnsiColor::Red,
        };
        let style = Style::new().fg_color(Some(color.into()));
        let health = check.health.as_str();
        let mut line = format!("{style}{health:8}{style:#}{}: {}", check.name, check.text);
        if let Some(fix) = &check.fix {
            line = format!("{line}; to mend it: {fix}");
        }
        print(&line)?;
    }
    Ok(())
}

fn print_json(checks: &Checks) -> Result<(), Failure> {
    let all: Vec<Value> = checks
        .0
        .iter()
        .map(|check| {
            json!({
                "check": check.name,
                "health": check.health.as_str(),
                "text": check.text,
                "fix": check.fix,
            })
        })
        .collect();
    print(&format!("{:#}", json!({ "checks": all })))
}
