//! `directives status`: shows the reports of all instances, and whether each instance already
//! applies every operation on the index.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use opensearch_directives::admin::DirectivesApi;
use opensearch_directives::fleet::{Fleet, InstanceReport, UnreadableReport};
use serde_json::{Value, json};

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::directive_text::printable;
use super::duration::relative;
use super::exit::{Exit, Failure};
use super::fitted_table::{fitted, terminal_width};
use super::fleet_progress::{
    Convergence, instances, operation, state_text, to_json, unreadable_json, unreadable_text,
};
use super::output::{note, print, print_json};
use super::watch_flag::watch;

/// Without `--all`, `status` omits an instance that is no longer live if its last report is older
/// than this duration.
const SHOWN_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The maximum number of rejected documents in the table of `directives status`.
const SHOWN_REJECTIONS: usize = 10;
/// The maximum number of unreadable reports for which the table of `directives status` contains the
/// reason.
const SHOWN_UNREADABLE: usize = 10;
/// The state that `directives status` shows for an instance whose report cannot be decoded.
const UNREADABLE: &str = "unreadable";
const HEADER: [&str; 10] = [
    "INSTANCE",
    "STATE",
    "APPLIED",
    "DIRECTIVES",
    "REJECTED",
    "POLLED",
    "KIND",
    "VERSION",
    "HOST",
    "VIA",
];

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  directives status --watch
  directives status -o json

An instance is
  synced     if it applies every operation on the index
  behind     if it lacks operations
  rejecting  if it applies every operation, but rejects documents
  silent     if it has not reported for three heartbeats
  left       if it has ended
  unreadable if its report cannot be decoded; it counts as not converged. If the instance no longer
             exists, delete the document with its name from the index INDEX-fleet

An agent reports with --report; an application uses the library's Reporter. VIA names the agents
that forwarded the report of an instance that polls an agent. The index of the reports
is created by `directives init --fleet`.")]
pub(super) struct StatusArgs {
    /// Also show instances that left, or fell silent, more than a day ago
    #[arg(long)]
    all: bool,

    /// Keep running, and print the status again when it changes
    #[arg(short, long)]
    watch: bool,

    /// Format of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: StatusFormat,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum StatusFormat {
    /// A table with a row for each instance
    Table,
    /// One JSON object, with the whole reports
    Json,
}

pub(super) async fn run(args: StatusArgs) -> Result<Exit, Failure> {
    let api = DirectivesApi::new(args.connection.client(args.timeout).await?);
    if args.watch {
        let read = async || api.fleet().await;
        return watch(read, states, |fleet| show(fleet, &args)).await;
    }
    show(&api.fleet().await?, &args)?;
    Ok(Exit::Success)
}

/// Returns the name, the state and the applied operation of each instance, without relative times.
/// `--watch` compares these states to detect a change of the fleet.
fn states(fleet: &Fleet) -> Vec<(String, &'static str, Option<u64>)> {
    let state = |report: &InstanceReport| {
        let state = fleet.state(report);
        (
            report.instance.clone(),
            state.as_str(),
            fleet.applied_seq_no(report),
        )
    };
    let unreadable = fleet.unreadable.iter();
    let unreadable = unreadable.map(|report| (report.instance.clone(), UNREADABLE, None));
    fleet.reports.iter().map(state).chain(unreadable).collect()
}

fn show(fleet: &Fleet, args: &StatusArgs) -> Result<(), Failure> {
    let (shown, old): (Vec<_>, Vec<_>) = fleet
        .reports
        .iter()
        .partition(|report| args.all || is_recent(fleet, report));
    match args.output {
        StatusFormat::Json => print_json(&json(fleet, &shown))?,
        StatusFormat::Table => print(&table(fleet, &shown))?,
    }
    if !old.is_empty() {
        note(&format!(
            "{} ended more than a day ago (--all)",
            instances(old.len())
        ));
    }
    if fleet.omitted > 0 {
        note(&format!(
            "{} further instances were not read",
            fleet.omitted
        ));
    }
    Ok(())
}

fn is_recent(fleet: &Fleet, report: &InstanceReport) -> bool {
    fleet.state(report).is_live() || fleet.now.duration_since(report.reported_at) < SHOWN_FOR
}

pub(super) fn table(fleet: &Fleet, shown: &[&InstanceReport]) -> String {
    let mut lines = Vec::new();
    if !shown.is_empty() || !fleet.unreadable.is_empty() {
        let rows = shown.iter().map(|report| row(fleet, report));
        let rows = rows.chain(fleet.unreadable.iter().map(unreadable_row));
        lines.push(fitted(&HEADER, rows, terminal_width(), &[]));
        lines.push(String::new());
    }
    lines.push(summary(fleet, shown));
    let unreadable = fleet.unreadable.iter();
    lines.extend(unreadable.take(SHOWN_UNREADABLE).map(unreadable_text));
    if let Some(more @ 1..) = fleet.unreadable.len().checked_sub(SHOWN_UNREADABLE) {
        lines.push(format!("and {more} more unreadable reports (-o json)"));
    }
    let rejections: Vec<String> = shown
        .iter()
        .flat_map(|report| rejections(fleet, report))
        .collect();
    lines.extend(rejections.iter().take(SHOWN_REJECTIONS).cloned());
    if rejections.len() > SHOWN_REJECTIONS {
        let more = rejections.len() - SHOWN_REJECTIONS;
        lines.push(format!("and {more} more rejections (-o json)"));
    }
    lines.join("\n")
}

/// Returns one line for each document that an instance rejects, or rejected at the time of its last
/// report.
fn rejections(fleet: &Fleet, report: &InstanceReport) -> impl Iterator<Item = String> {
    let is_live = fleet.state(report).is_live();
    let last_report = relative(report.reported_at, fleet.now);
    report.rejections.iter().map(move |rejection| {
        let [instance, id] = [&report.instance, &rejection.id].map(|text| printable(text));
        let reason = printable(&rejection.reason);
        if is_live {
            format!("{instance} rejects {id}: {reason}")
        } else {
            format!("{instance} rejected {id} in its last report, {last_report}: {reason}")
        }
    })
}

fn row(fleet: &Fleet, report: &InstanceReport) -> Vec<String> {
    let applied = fleet.applied_seq_no(report).or(report.max_seq_no);
    vec![
        report.instance.clone(),
        state_text(fleet, report),
        applied.map(|seq_no| seq_no.to_string()).unwrap_or_default(),
        report.directives.to_string(),
        report.rejected.to_string(),
        report
            .last_success
            .map(|polled| relative(polled, fleet.now))
            .unwrap_or_default(),
        report.kind.as_str().to_owned(),
        report.version.clone(),
        report.host.clone().unwrap_or_default(),
        report.via.join(", "),
    ]
}

fn unreadable_row(report: &UnreadableReport) -> Vec<String> {
    let mut row = vec![report.instance.clone(), UNREADABLE.to_owned()];
    row.resize(HEADER.len(), String::new());
    row
}

/// Returns the line that counts the instances in each state.
fn summary(fleet: &Fleet, shown: &[&InstanceReport]) -> String {
    let counts: Vec<String> = counts(fleet, shown)
        .into_iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let states = match counts.join(", ") {
        states if states.is_empty() => String::new(),
        states => format!(": {states}"),
    };
    format!(
        "{}{states}; the index is at {}",
        instances(shown.len() + fleet.unreadable.len()),
        operation(&fleet.position)
    )
}

fn counts(fleet: &Fleet, shown: &[&InstanceReport]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for report in shown {
        *counts.entry(fleet.state(report).as_str()).or_default() += 1;
    }
    if !fleet.unreadable.is_empty() {
        counts.insert(UNREADABLE, fleet.unreadable.len());
    }
    counts
}

fn json(fleet: &Fleet, shown: &[&InstanceReport]) -> Value {
    let reports: Vec<Value> = shown.iter().map(|report| to_json(fleet, report)).collect();
    json!({
        "index_uuid": fleet.position.index_uuid,
        "assigned_seq_no": fleet.position.assigned_seq_no,
        "max_seq_no": fleet.position.max_seq_no,
        "converged": Convergence::of(fleet, &fleet.position).is_reached(1000),
        "summary": counts(fleet, shown),
        "instances": reports,
        "unreadable": unreadable_json(fleet),
        "omitted": fleet.omitted,
    })
}
