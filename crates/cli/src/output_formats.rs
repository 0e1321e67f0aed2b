//! Prints the documents that `get` or `list` read: as a table, as a list of fields, or as JSON,
//! YAML or CSV.

use comfy_table::{Table, presets};
use jiff::Timestamp;
use opensearch_directives::admin::Stored;
use serde_json::{Map, Value};

use super::csv;
use super::directive_table::{columns, table};
use super::directive_text::{author, printable};
use super::duration::relative;
use super::exit::Failure;
use super::field_filters::State;
use super::fitted_table::{terminal_width, trimmed};
use super::output::{Format, escaped_yaml, print, print_json};

/// Prints the documents of directives in the format that the user has chosen.
pub(super) fn print_all(all: &[Stored], format: Format, now: Timestamp) -> Result<(), Failure> {
    let values = || -> Value { all.iter().map(|stored| to_json(stored, now)).collect() };
    match format {
        Format::Json => print_json(&values()),
        Format::Yaml => {
            for value in values().as_array().into_iter().flatten() {
                print("---")?;
                print(escaped_yaml(value)?.trim_end())?;
            }
            Ok(())
        }
        Format::Name => {
            for stored in all {
                print(&printable(&stored.id))?;
            }
            Ok(())
        }
        Format::Csv => {
            let objects = all.iter().map(|stored| to_json(stored, now));
            print(&csv::lines(&CSV_COLUMNS, objects))
        }
        Format::Table | Format::Wide if all.is_empty() => print("no directives"),
        Format::Table => print(&table(all, now, false, terminal_width())),
        Format::Wide => print(&table(all, now, true, terminal_width())),
    }
}

/// Converts a stored document to JSON, and adds the id and the state of its directive.
pub(super) fn to_json(stored: &Stored, now: Timestamp) -> Value {
    let mut object = Map::new();
    object.insert("id".to_owned(), stored.id.clone().into());
    object.insert("state".to_owned(), State::of(stored, now).as_str().into());
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

/// The columns of the CSV output. All times in the CSV output are absolute, so no column contains a
/// relative time.
const CSV_COLUMNS: [&str; 23] = [
    "id",
    "state",
    "level",
    "tenant",
    "index",
    "principal",
    "endpoint",
    "sample_per_mille",
    "ring_buffer",
    "capture",
    "starts_at",
    "expires_at",
    "reason",
    "ticket",
    "owner",
    "created_by",
    "created_at",
    "updated_by",
    "authenticated_as",
    "updated_at",
    "revoked_by",
    "revoked_at",
    "revoked_reason",
];

/// Formats one document as a list with one line for each field.
pub(super) fn details(stored: &Stored, now: Timestamp) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut add = |key: &str, value: String| {
        if !value.is_empty() {
            table.add_row([format!("{key}:"), printable(&value)]);
        }
    };
    add("id", stored.id.clone());
    add("state", State::of(stored, now).as_str().to_owned());
    match &stored.document {
        Err(rejection) => {
            add("rejected for", rejection.to_string());
            add("document", stored.source.get().to_owned());
        }
        Ok(document) => {
            let [level, matches, sample, records, _, _, reason] = columns(document, now);
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
            add("owner", audit.owner.clone().unwrap_or_default());
            add("created", by(audit.created_at, &audit.created_by));
            add("updated", by(audit.updated_at, &author(audit)));
            add("signatures", super::verify::signers(&document.signatures));
            add("revoked", by(audit.revoked_at, &audit.revoked_by));
            add(
                "revoked for",
                audit.revoked_reason.clone().unwrap_or_default(),
            );
        }
    }
    trimmed(&table)
}
