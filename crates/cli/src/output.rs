//! What the commands print: tables for people, JSON for programs.

use std::io::{self, Write as _};

use clap::{Args, ValueEnum};
use comfy_table::{Table, presets};
use jiff::Timestamp;
use opensearch_directives::EndpointKind;
use opensearch_directives::admin::Stored;
use opensearch_directives::document::Document;
use serde_json::{Map, Value};

use super::duration::relative;
use super::exit::Failure;

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct OutputArgs {
    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(super) output: Format,
}

/// Prints a line; an early end of the reader is not an error of ours.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}

pub(super) fn print_json(value: &Value) -> Result<(), Failure> {
    print(&format!("{value:#}"))
}

/// The state that `list` shows: the document's, or `rejected`.
pub(super) fn state(stored: &Stored, now: Timestamp) -> &'static str {
    match &stored.document {
        Ok(document) => document.state(now).as_str(),
        Err(_) => "rejected",
    }
}

/// A document with its id and state, as JSON.
pub(super) fn to_json(stored: &Stored, now: Timestamp) -> Value {
    let mut object = Map::new();
    object.insert("id".to_owned(), stored.id.clone().into());
    object.insert("state".to_owned(), state(stored, now).into());
    if let Err(rejection) = &stored.document {
        object.insert("rejected_for".to_owned(), rejection.to_string().into());
    }
    match serde_json::from_str(stored.source.get()) {
        Ok(Value::Object(source)) => {
            for (key, value) in source {
                object.entry(key).or_insert(value);
            }
        }
        Ok(other) => {
            object.insert("_source".to_owned(), other);
        }
        Err(_) => {}
    }
    object.into()
}

/// A row for each document.
pub(super) fn table(all: &[Stored], now: Timestamp) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "ID", "STATE", "LEVEL", "MATCHES", "SAMPLE", "RECORDS", "EXPIRES", "BY", "REASON",
    ]);
    for stored in all {
        let row = match &stored.document {
            Ok(document) => row(document, now),
            Err(rejection) => [
                "rejected".to_owned(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                rejection.to_string(),
            ],
        };
        let id = std::iter::once(&stored.id);
        table.add_row(id.chain(&row).map(|text| printable(text)));
    }
    trimmed(&table)
}

/// What one document holds, a line for each field.
pub(super) fn details(stored: &Stored, now: Timestamp) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut add = |key: &str, value: String| {
        if !value.is_empty() {
            table.add_row([format!("{key}:"), printable(&value)]);
        }
    };
    add("id", stored.id.clone());
    add("state", state(stored, now).to_owned());
    match &stored.document {
        Err(rejection) => {
            add("rejected for", rejection.to_string());
            add("document", stored.source.get().to_owned());
        }
        Ok(document) => {
            let [_, level, matches, sample, records, _, _, reason] = row(document, now);
            let at = |time: Option<Timestamp>| {
                time.map(|time| format!("{time} ({})", relative(time, now)))
                    .unwrap_or_default()
            };
            let by = |time: Option<Timestamp>, who: &Option<String>| match who {
                Some(who) if time.is_some() => format!("{} by {who}", at(time)),
                _ => at(time),
            };
            let audit = &document.audit;
            add("level", level);
            add("matches", matches);
            add("sample", sample);
            add("records", records);
            add("starts", at(document.directive.starts_at));
            add("expires", at(Some(document.directive.expires_at)));
            add("reason", reason);
            add("ticket", audit.ticket.clone().unwrap_or_default());
            add("created", by(audit.created_at, &audit.created_by));
            add("updated", by(audit.updated_at, &audit.updated_by));
            add("revoked", by(audit.revoked_at, &audit.revoked_by));
        }
    }
    trimmed(&table)
}

fn row(document: &Document, now: Timestamp) -> [String; 8] {
    let directive = &document.directive;
    let match_ = &directive.match_;
    let targets: Vec<String> = [
        ("tenant", match_.tenant.as_deref()),
        ("index", match_.index.as_deref()),
        ("principal", match_.principal.as_deref()),
        ("endpoint", match_.endpoint.map(EndpointKind::as_str)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some(format!("{key}={}", value?)))
    .collect();
    let records: Vec<&str> = [
        (directive.ring_buffer, "ring-buffer"),
        (directive.capture, "capture"),
    ]
    .into_iter()
    .filter_map(|(asked, name)| asked.then_some(name))
    .collect();
    let audit = &document.audit;
    [
        document.state(now).to_string(),
        directive.level.to_string(),
        if targets.is_empty() {
            "every request".to_owned()
        } else {
            targets.join(" ")
        },
        format!("{}‰", directive.sample_per_mille),
        records.join(" "),
        relative(directive.expires_at, now),
        audit.updated_by.clone().unwrap_or_default(),
        audit.reason.clone().unwrap_or_default(),
    ]
}

/// What others wrote must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn trimmed(table: &Table) -> String {
    table
        .lines()
        // The style pads each cell with a space.
        .map(|line| {
            line.strip_prefix(' ')
                .unwrap_or(&line)
                .trim_end()
                .to_owned()
        })
        .collect::<Vec<_>>()
        .join("\n")
}
