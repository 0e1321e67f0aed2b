//! `directives wait`: waits until the instances apply every operation on the index, and names the
//! instances that still lack an operation. With the flag `--wait`, a verb that writes directives
//! waits in the same way after its write.

use std::time::Duration;

use clap::Args;
use opensearch_directives::admin::DirectivesApi;
use opensearch_directives::fleet::{Fleet, IndexPosition, InstanceReport, InstanceState};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::directive_text::printable;
use super::duration::{parse, relative};
use super::exit::{Exit, Failure};
use super::flag_values;
use super::fleet_progress::{
    Convergence, instances, operation, state_text, to_json, unreadable_json, unreadable_text,
};
use super::output::{ReportFormat, note, print, print_json};
use super::report_wording::{count, verb};

/// The default time limit of `directives wait` and of the flag `--wait`.
pub(super) const DEFAULT_TIMEOUT: &str = "30s";
/// The time between two reads of the instances' reports.
const PAUSE: Duration = Duration::from_millis(500);
/// The maximum number of instances that the text output names.
const NAMED: usize = 50;

#[derive(Debug, Args)]
#[command(after_help = "\
The command waits for the instances that report and neither left nor fell silent. It ends with exit
code 8 if some of them lack operations when the time is over, or if no instance reports.

Examples:
  directives wait --converged
  directives wait --converged 99% --timeout 2m
  directives apply slow-acme --level ShapeTiming --tenant acme --wait")]
pub(super) struct WaitArgs {
    /// Wait until this share of the live instances applies every operation that the index contains
    /// now
    #[arg(
        long, value_name = "PERCENT", required = true, num_args = 0..=1,
        default_missing_value = "100%", value_parser = flag_values::sample
    )]
    converged: u16,

    /// Longest time to wait for the instances
    #[arg(long, value_name = "DURATION", default_value = DEFAULT_TIMEOUT, value_parser = parse)]
    timeout: Duration,

    /// Format of the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: ReportFormat,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    request: TimeoutArgs,
}

pub(super) async fn run(args: WaitArgs) -> Result<Exit, Failure> {
    let api = DirectivesApi::new(args.connection.client(args.request).await?);
    let wait = until_converged(&api, args.converged, args.timeout).await?;
    if args.output.is_json() {
        print_json(&wait.json())?;
    } else {
        print(&wait.text())?;
    }
    Ok(wait.exit())
}

/// Waits until all live instances apply the writes of this command, or until the time limit has
/// passed. The function prints to standard error how many instances apply the writes.
pub(super) async fn after_write(api: &DirectivesApi, timeout: Duration) -> Result<Exit, Failure> {
    let wait = until_converged(api, 1000, timeout).await?;
    note(&wait.text());
    Ok(wait.exit())
}

/// Returns the text that `directives wait` would print for a fleet. Only a fuzz target calls this
/// function, to check the text for an arbitrary fleet.
pub(super) fn text_of(fleet: Fleet) -> String {
    let wait = Wait {
        target: fleet.position.clone(),
        fleet,
        per_mille: 1000,
        elapsed: Duration::ZERO,
    };
    wait.text()
}

/// The result of waiting until the instances of a fleet apply every operation.
struct Wait {
    fleet: Fleet,
    /// The state of the index when the command began to wait, which the instances must reach.
    target: IndexPosition,
    per_mille: u16,
    elapsed: Duration,
}

/// Reads the reports again and again, until enough live instances apply every operation that the
/// index contained at the call of this function.
async fn until_converged(
    api: &DirectivesApi,
    per_mille: u16,
    timeout: Duration,
) -> Result<Wait, Failure> {
    let begin = Instant::now();
    let fleet = api.fleet().await?;
    let mut wait = Wait {
        target: fleet.position.clone(),
        fleet,
        per_mille,
        elapsed: Duration::ZERO,
    };
    while !wait.is_converged() && begin.elapsed() < timeout {
        tokio::time::sleep(PAUSE.min(timeout.saturating_sub(begin.elapsed()))).await;
        match api.fleet().await {
            Ok(fleet) => wait.fleet = fleet,
            // The command continues to wait while the cluster is unreachable, because the cluster
            // may respond again before the time limit.
            Err(error) if error.is_unreachable() => {}
            Err(error) => return Err(error.into()),
        }
        wait.elapsed = begin.elapsed();
    }
    Ok(wait)
}

impl Wait {
    fn convergence(&self) -> Convergence<'_> {
        Convergence::of(&self.fleet, &self.target)
    }

    fn silent(&self) -> Vec<&InstanceReport> {
        let is_silent = |report: &&InstanceReport| {
            matches!(self.fleet.state(report), InstanceState::Silent { .. })
        };
        self.fleet.reports.iter().filter(is_silent).collect()
    }

    fn is_converged(&self) -> bool {
        self.convergence().is_reached(self.per_mille)
    }

    fn exit(&self) -> Exit {
        if self.is_converged() {
            Exit::Success
        } else {
            Exit::NotConverged
        }
    }

    fn text(&self) -> String {
        let Convergence {
            live,
            missing,
            applied,
        } = self.convergence();
        let mut lines = vec![if live == 0 {
            "no live instance reports, so nothing shows that the operation is applied".to_owned()
        } else {
            format!(
                "{applied} of {live} live instances {} {}, after {:.1}s",
                verb(applied, "applies", "apply"),
                operation(&self.target),
                self.elapsed.as_secs_f64()
            )
        }];
        lines.extend(missing.iter().take(NAMED).map(|report| {
            format!(
                "  {}: {}, reported {}",
                printable(&report.instance),
                state_text(&self.fleet, report),
                relative(report.reported_at, self.fleet.now)
            )
        }));
        if missing.len() > NAMED {
            lines.push(format!("  and {}", instances(missing.len() - NAMED)));
        }
        lines.extend(self.unknown());
        let silent = self.silent();
        if !silent.is_empty() {
            let names = silent.iter().take(NAMED);
            let names: Vec<String> = names.map(|report| printable(&report.instance)).collect();
            lines.push(format!(
                "the command did not wait for {} without a recent report: {}",
                instances(silent.len()),
                names.join(", ")
            ));
        }
        lines.join("\n")
    }

    /// Returns lines about the instances whose state is unknown, because their reports are
    /// unreadable or were not read.
    fn unknown(&self) -> impl Iterator<Item = String> {
        let unreadable = &self.fleet.unreadable;
        let named = unreadable.iter().take(NAMED).map(unreadable_text);
        let more = unreadable.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| format!("and {more} more unreadable reports"));
        let omitted = self.fleet.omitted;
        let omitted = (omitted > 0).then(|| {
            let instances = count(omitted, "further instance");
            format!("{instances} {} not read", verb(omitted, "was", "were"))
        });
        let lines = named.chain(more).chain(omitted);
        lines.map(|line| format!("  {line}"))
    }

    fn json(&self) -> Value {
        let all = |reports: Vec<&InstanceReport>| -> Vec<Value> {
            let reports = reports.into_iter();
            reports.map(|report| to_json(&self.fleet, report)).collect()
        };
        let Convergence {
            live,
            missing,
            applied,
        } = self.convergence();
        json!({
            "converged": self.is_converged(),
            "assigned_seq_no": self.target.assigned_seq_no,
            "max_seq_no": self.target.max_seq_no,
            "live": live,
            "applied": applied,
            "seconds": self.elapsed.as_secs_f64(),
            "missing": all(missing),
            "silent": all(self.silent()),
            "unreadable": unreadable_json(&self.fleet),
            "omitted": self.fleet.omitted,
        })
    }
}
