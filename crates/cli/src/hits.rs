//! `directives hits`: shows how many requests each directive matched, as counted by one agent or by
//! the whole fleet. An operator finds directives with a wrong target by their counts, because no
//! request matches a wrong target.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;
use opensearch_directives::admin::DirectivesApi;
use opensearch_directives::{Clock as _, SystemClock};
use serde::Deserialize;
use serde_json::{Value, json};

use super::agent_client::{AgentClient, AgentUrl, decode};
use super::connection::{ConnectionArgs, TimeoutArgs};
use super::duration::{length, parse, relative};
use super::exit::{Exit, Failure};
use super::fitted_table::{fitted, terminal_width};
use super::hits_of_fleet;
use super::output::{ReportFormat, note, print, print_json};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  directives hits slow-acme
  directives hits --fleet --unmatched-for 5m
  directives hits --agent unix:/run/directives/agent.sock

The counts of an instance begin with its process. With --fleet, they come from the last report of each
live instance, so they are up to one heartbeat old.")]
pub(super) struct HitsArgs {
    /// The ids of the directives; without ids, all whose counts are known
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: Vec<String>,

    /// Show, for each active directive, the sum of the counts that all live instances reported to
    /// the index of the fleet, instead of the counts of one agent
    #[arg(long, conflicts_with_all = ["agent", "agent_token_file"])]
    fleet: bool,

    /// Show only active directives that matched no request for this time
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    unmatched_for: Option<Duration>,

    /// Format of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: ReportFormat,

    /// Address of the agent: http://HOST:9980, https://HOST:9980, or unix: and the path of a socket
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9980")]
    agent: AgentUrl,

    /// File that contains the bearer token for the agent (or set DIRECTIVES_AGENT_TOKEN)
    #[arg(long, value_name = "FILE")]
    agent_token_file: Option<PathBuf>,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

/// The agent's response to `GET /v1/hits`.
#[derive(Deserialize)]
struct Response {
    directives: Vec<Value>,
}

/// The counts of one directive, as the agent's response contains them.
#[derive(Deserialize)]
struct Row {
    id: String,
    published: bool,
    active: bool,
    matched: u64,
    sampled: u64,
    last_matched: Option<Timestamp>,
    counted_since: Timestamp,
}

impl Row {
    /// Returns true if the directive is active and no request has matched it for at least the given
    /// time.
    fn is_unmatched_for(&self, time: Duration, now: Timestamp) -> bool {
        self.active && is_unmatched(self.last_matched, self.counted_since, time, now)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let state = match (self.active, self.published) {
            (true, _) => "active",
            (false, true) => "not active",
            (false, false) => "left",
        };
        let counts = counts(
            self.matched,
            self.sampled,
            self.last_matched,
            self.counted_since,
            now,
        );
        [self.id.clone(), state.to_owned()]
            .into_iter()
            .chain(counts)
            .collect()
    }
}

/// Formats the counts of one directive as the last four cells of its row in the table.
pub(super) fn counts(
    matched: u64,
    sampled: u64,
    last_matched: Option<Timestamp>,
    counted_since: Timestamp,
    now: Timestamp,
) -> [String; 4] {
    let last = match last_matched {
        Some(at) => relative(at, now),
        None => format!("none in {}", length(now.duration_since(counted_since))),
    };
    [
        matched.to_string(),
        sampled.to_string(),
        last,
        relative(counted_since, now),
    ]
}

const HEADER: [&str; 6] = [
    "ID",
    "STATE",
    "MATCHED",
    "SAMPLED",
    "LAST MATCH",
    "COUNTED SINCE",
];

/// Returns true if no request has matched for at least the given time, and if matches were counted
/// during all this time.
fn is_unmatched(
    last: Option<Timestamp>,
    counted_since: Timestamp,
    time: Duration,
    now: Timestamp,
) -> bool {
    let begin = now.checked_sub(time).unwrap_or(Timestamp::MIN);
    let is_before = |at: Timestamp| at <= begin;
    is_before(counted_since) && last.is_none_or(is_before)
}

pub(super) async fn run(args: HitsArgs) -> Result<Exit, Failure> {
    if args.fleet {
        of_fleet(args).await
    } else {
        of_agent(args).await
    }
}

async fn of_fleet(args: HitsArgs) -> Result<Exit, Failure> {
    let api = DirectivesApi::new(args.connection.client(args.timeout).await?);
    let (mut rows, now) = hits_of_fleet::read(&api).await?;
    let is_known = |id: &str| rows.iter().any(|row| row.id == id);
    let exit = report_missing(
        &args.id,
        is_known,
        "no live instance reports this directive",
    );
    rows.retain(|row| args.id.is_empty() || args.id.contains(&row.id));
    if let Some(time) = args.unmatched_for {
        rows.retain(|row| is_unmatched(row.last_matched, row.counted_since, time, now));
    }
    if args.output.is_json() {
        print_json(&json!(rows))?;
    } else {
        print_table(
            &hits_of_fleet::HEADER,
            rows.iter().map(|row| row.cells(now)),
        )?;
    }
    Ok(exit)
}

fn print_table(
    header: &[&str; 6],
    rows: impl ExactSizeIterator<Item = Vec<String>>,
) -> Result<(), Failure> {
    if rows.len() == 0 {
        return print("no directives");
    }
    print(&fitted(header, rows, terminal_width(), &[]))
}

async fn of_agent(args: HitsArgs) -> Result<Exit, Failure> {
    let agent = AgentClient::with_token_file(
        &args.agent,
        args.agent_token_file.as_ref(),
        args.connection.ca_certificate(),
        args.timeout.request_timeout(),
    )?;
    let response: Response = agent.json("/v1/hits", None).await?.ok_or_else(|| {
        let problem = "the agent does not permit this token to read the counts";
        Failure::new(Exit::Refused, problem)
    })?;
    let now = SystemClock.now();
    let mut rows = named(response, &args.id)?;
    let is_known = |id: &str| rows.iter().any(|(row, _)| row.id == id);
    let exit = report_missing(&args.id, is_known, "the agent reports no such directive");
    if let Some(time) = args.unmatched_for {
        rows.retain(|(row, _)| row.is_unmatched_for(time, now));
    }
    if args.output.is_json() {
        let values: Vec<&Value> = rows.iter().map(|(_, value)| value).collect();
        print_json(&json!(values))?;
    } else {
        print_table(&HEADER, rows.iter().map(|(row, _)| row.cells(now)))?;
    }
    Ok(exit)
}

/// Returns the counts of the directives with the given ids, or of all directives if `ids` is empty.
/// The result contains the counts of each directive both decoded and as the JSON that the agent
/// sent.
fn named(response: Response, ids: &[String]) -> Result<Vec<(Row, Value)>, Failure> {
    let mut rows = Vec::new();
    for value in response.directives {
        let row: Row = decode(&value)?;
        if ids.is_empty() || ids.contains(&row.id) {
            rows.push((row, value));
        }
    }
    Ok(rows)
}

/// Prints an error for each given id of a directive whose counts are not known.
fn report_missing(ids: &[String], is_known: impl Fn(&str) -> bool, problem: &str) -> Exit {
    let mut exit = Exit::Success;
    for id in ids.iter().filter(|id| !is_known(id)) {
        note(&format!("error: {problem}: {id}"));
        exit = Exit::NotFound;
    }
    exit
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_directive_is_unmatched_if_it_is_active_and_counted_for_long_enough() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let row = |active, last: Option<i64>, since| Row {
            id: "d".to_owned(),
            published: active,
            active,
            matched: u64::from(last.is_some()),
            sampled: 0,
            last_matched: last.map(at),
            counted_since: at(since),
        };
        let unmatched = |row: &Row| row.is_unmatched_for(Duration::from_mins(5), at(1000));
        assert!(unmatched(&row(true, None, 700)));
        assert!(!unmatched(&row(true, None, 701)), "it may yet match");
        assert!(unmatched(&row(true, Some(700), 0)));
        assert!(!unmatched(&row(true, Some(701), 0)));
        assert!(!unmatched(&row(false, None, 0)));
        let cells = row(true, None, 640).cells(at(1000));
        assert_eq!(cells[2..], ["0", "0", "none in 6m", "6m ago"]);
        assert_eq!(
            row(false, Some(990), 0).cells(at(1000))[1..5],
            ["left", "1", "0", "10s ago"]
        );
    }
}
