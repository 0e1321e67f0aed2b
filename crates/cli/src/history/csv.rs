//! Formats records and past directives as comma-separated values (RFC 4180).

use opensearch_directives::history::Record;
use serde_json::Value;

use crate::exit::Failure;
use crate::output_formats::cell;

/// The columns: first the fields of the record, then the fields of its document.
const RECORD: [&str; 17] = [
    "@timestamp",
    "kind",
    "directive",
    "by",
    "authenticated_by",
    "reason",
    "ticket",
    "changed",
    "index_uuid",
    "history_uuid",
    "primary_term",
    "seq_no",
    "version",
    "recorded_at",
    "recorded_by",
    "seq_no_after",
    "seq_no_until",
];
const DOCUMENT: [&str; 12] = [
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
    "revoked",
    "owner",
];

/// Formats records.
pub(super) fn records(records: &[Record]) -> Result<String, Failure> {
    let mut lines = vec![[&RECORD[..], &DOCUMENT[..]].concat().join(",")];
    for record in records {
        let fields = serde_json::to_value(record).map_err(Failure::other)?;
        let document = record.document().unwrap_or(&Value::Null);
        let of_record = RECORD.iter().map(|name| field(&fields[name]));
        let of_document = DOCUMENT.iter().map(|name| field(&document[name]));
        lines.push(of_record.chain(of_document).collect::<Vec<_>>().join(","));
    }
    Ok(lines.join("\n"))
}

/// Formats each JSON object as one line that contains the named fields.
pub(super) fn objects(header: &[&str], objects: &[Value]) -> String {
    let mut lines = vec![header.join(",")];
    for object in objects {
        let cells = header.iter().map(|name| field(&object[name]));
        lines.push(cells.collect::<Vec<_>>().join(","));
    }
    lines.join("\n")
}

/// Formats one value. The elements of a list are separated by spaces.
fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => cell(text),
        Value::Array(values) => {
            let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            cell(&texts.join(" "))
        }
        other => cell(&other.to_string()),
    }
}
