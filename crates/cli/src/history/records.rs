//! Prints the records of the history, one line for each record.

use std::time::Duration;

use opensearch_directives::document::{DecodeLimits, decode};
use opensearch_directives::history::{History, Record, RecordFilter, RecordKind};
use serde_json::Value;

use super::HistoryFormat;
use super::audit_log_check::{self, AuditLogArgs, Witnessed};
use crate::csv;
use crate::directive_text::summary;
use crate::exit::{Exit, Failure};
use crate::fitted_table::{fitted, terminal_width};
use crate::instant::{between, to_the_next_second, to_the_second};
use crate::output::{note, print, print_json};

pub(super) const HEADER: [&str; 7] = [
    "TIME",
    "KIND",
    "DIRECTIVE",
    "BY",
    "WHAT",
    "REASON",
    "TICKET",
];
/// The fields that the column of changed fields omits, because other columns already show the kind,
/// the author and the time of the operation.
const TOLD_ELSEWHERE: [&str; 6] = [
    "created_at",
    "created_by",
    "revoked",
    "revoked_at",
    "revoked_by",
    "revoked_reason",
];

/// The columns of the CSV output: first the fields of the record, then those of its document, and
/// finally the results of the comparison with the audit log.
const RECORD_COLUMNS: [&str; 18] = [
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
    "deleted_after",
];
const DOCUMENT_COLUMNS: [&str; 12] = [
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
const COMPARISON_COLUMNS: [&str; 2] = ["witnessed", "contradictions"];

pub(super) async fn run(
    history: &History,
    filter: &RecordFilter,
    audit_log: &AuditLogArgs,
    format: HistoryFormat,
) -> Result<Exit, Failure> {
    let records = audit_log_check::read(history, filter, audit_log).await?;
    match format {
        HistoryFormat::Json => {
            let all: Result<Vec<Value>, Failure> = records.iter().map(Witnessed::to_json).collect();
            print_json(&Value::from(all?))?;
        }
        HistoryFormat::Csv => print(&csv_lines(&records)?)?,
        HistoryFormat::Table if records.is_empty() => print("no operations")?,
        HistoryFormat::Table => {
            let rows = records.iter().map(row);
            print(&fitted(&HEADER, rows, terminal_width(), &[]))?;
        }
    }
    audit_log_check::summarize(records.iter());
    let mut exit = Exit::Success;
    // An id without a record is an error only if no other filter is given, because another filter
    // may exclude all records of a directive.
    let mut only_ids = RecordFilter::default();
    only_ids.directives.clone_from(&filter.directives);
    let only_ids = only_ids == *filter;
    for id in filter.directives.iter().filter(|_| only_ids) {
        if !records.iter().any(|one| one.record.directive == *id) {
            note(&format!(
                "error: {} has no record of {id}",
                history.stream()
            ));
            exit = Exit::NotFound;
        }
    }
    Ok(exit)
}

pub(super) fn csv_lines(records: &[Witnessed]) -> Result<String, Failure> {
    let columns = [
        &RECORD_COLUMNS[..],
        &DOCUMENT_COLUMNS[..],
        &COMPARISON_COLUMNS[..],
    ];
    let objects = records.iter().map(|witnessed| {
        let mut fields = witnessed.to_json()?;
        let document = witnessed.record.document().unwrap_or(&Value::Null);
        for name in DOCUMENT_COLUMNS {
            fields[name] = document[name].clone();
        }
        fields["contradictions"] = witnessed.contradictions().join("; ").into();
        Ok(fields)
    });
    let objects: Vec<Value> = objects.collect::<Result<_, Failure>>()?;
    Ok(csv::lines(&columns.concat(), objects.into_iter()))
}

pub(super) fn row(witnessed: &Witnessed) -> Vec<String> {
    let record = &witnessed.record;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        to_the_second(record.timestamp),
        record.kind.to_string(),
        record.directive.clone(),
        witnessed.author().unwrap_or_default(),
        what(record),
        text(&record.reason),
        text(&record.ticket),
    ]
}

/// Describes a deletion that a recorder noticed, such as `deleted between 2030-01-31T14:20:00Z and
/// 2030-01-31T14:20:05Z, noticed by recorder proxy-1`; returns `None` for every other operation.
pub(super) fn noticed_deletion(record: &Record) -> Option<String> {
    if !record.is_noticed_deletion() {
        return None;
    }
    let when = match record.deleted_after {
        Some(after) => between(after, record.timestamp),
        None => format!("before {}", to_the_next_second(record.timestamp)),
    };
    Some(format!("deleted {when}, noticed by {}", record.recorded_by))
}

/// Describes what an operation wrote: the whole directive if the operation created it, or else only
/// the changed fields.
pub(super) fn what(record: &Record) -> String {
    let Some(document) = record.document() else {
        return match record.kind {
            RecordKind::Deleted => noticed_deletion(record).unwrap_or_default(),
            _ => "replaced before it was read".to_owned(),
        };
    };
    let Some(changed) = record
        .changed
        .as_ref()
        .filter(|_| record.kind != RecordKind::Created)
    else {
        return whole(record, document);
    };
    let fields = changed
        .iter()
        .filter(|name| !TOLD_ELSEWHERE.contains(&name.as_str()))
        .filter(|name| !has_column(record, document, name));
    let fields = fields.map(|name| match document.get(name) {
        Some(Value::String(text)) => format!("{name}={text}"),
        Some(value) => format!("{name}={value}"),
        None => format!("{name} removed"),
    });
    fields.collect::<Vec<_>>().join(", ")
}

/// Returns true if the table's column for the reason or the ticket already shows the new value of
/// the field. Returns false for a removed value, which no column shows. For a revocation or a
/// rejection, also returns false for the reason of the directive, because the column shows the
/// reason of the revocation or the rejection.
fn has_column(record: &Record, document: &Value, name: &str) -> bool {
    let shown = match name {
        "reason" => &record.reason,
        "ticket" => &record.ticket,
        _ => return false,
    };
    let value = document.get(name).and_then(Value::as_str);
    value.is_some() && value == shown.as_deref()
}

fn whole(record: &Record, document: &Value) -> String {
    let source = document.to_string();
    // The decoder does not check the time to live, because the limit may have changed since the
    // operation.
    let limits = DecodeLimits {
        now: record.timestamp,
        max_ttl: Duration::MAX,
    };
    match decode(&record.directive, &source, &limits) {
        Ok(document) => {
            let document = document.to_document();
            let end = to_the_second(document.directive.expires_at);
            format!("{}; until {end}", summary(&document))
        }
        Err(_) => source,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn record(kind: &str, reason: Option<&str>, changed: &[&str], document: &Value) -> Record {
        serde_json::from_value(json!({
            "@timestamp": "2026-11-27T14:03:00Z", "kind": kind, "directive": "d",
            "document": document, "changed": changed, "index_uuid": "I", "history_uuid": "H",
            "primary_term": 1, "seq_no": 0, "reason": reason, "ticket": document["ticket"],
            "recorded_at": "2026-11-27T14:03:01Z", "recorded_by": "test",
        }))
        .unwrap()
    }

    #[test]
    fn a_changed_reason_or_ticket_is_shown_unless_its_column_shows_it() {
        let all = ["reason", "ticket"];
        let document = json!({ "reason": "slow", "ticket": "INC-2" });
        let columns = record("replaced", Some("slow"), &all, &document);
        assert_eq!(what(&columns), "");
        let removed = record("replaced", None, &all, &json!({}));
        assert_eq!(what(&removed), "reason removed, ticket removed");
        // For a revocation, the column shows the reason of the revocation instead of the
        // directive's reason.
        let revoked = record("revoked", Some("found"), &all, &document);
        assert_eq!(what(&revoked), "reason=slow");
    }
}
