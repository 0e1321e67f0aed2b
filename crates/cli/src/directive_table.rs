//! Formats the documents of directives as a table with one row for each document.

use jiff::Timestamp;
use opensearch_directives::admin::Stored;
use opensearch_directives::document::Document;

use super::directive_text::{records, targets};
use super::duration::relative;
use super::field_filters::State;
use super::fitted_table::fitted;
use super::flag_values::per_mille;

pub(super) const HEADER: [&str; 9] = [
    "ID", "STATE", "LEVEL", "MATCHES", "SAMPLE", "RECORDS", "EXPIRES", "BY", "REASON",
];
const WIDE_HEADER: [&str; 7] = [
    "STARTS",
    "TICKET",
    "OWNER",
    "CREATED BY",
    "UPDATED",
    "REVOKED BY",
    "REVOKED FOR",
];
/// The columns that the table omits on a narrow terminal; the first one in this list is omitted
/// first.
const DROPPABLE: [&str; 5] = ["REASON", "BY", "SAMPLE", "RECORDS", "LEVEL"];

/// Formats the documents of directives as a table with one row for each document. If `width` is
/// given, the function truncates long texts, so that the table is not wider than `width`.
pub(super) fn table(all: &[Stored], now: Timestamp, wide: bool, width: Option<u16>) -> String {
    let header: Vec<&str> = HEADER
        .into_iter()
        .chain(wide.then_some(WIDE_HEADER).into_iter().flatten())
        .collect();
    let rows = all.iter().map(|stored| {
        let mut row = row(stored, now);
        if wide {
            row.extend(wide_columns(stored, now));
        }
        row
    });
    let droppable: &[&str] = if wide { &[] } else { &DROPPABLE };
    fitted(&header, rows, width, droppable)
}

fn row(stored: &Stored, now: Timestamp) -> Vec<String> {
    let mut row = vec![
        stored.id.clone(),
        State::of(stored, now).as_str().to_owned(),
    ];
    match &stored.document {
        Ok(document) => row.extend(columns(document, now)),
        Err(rejection) => {
            row.extend(std::iter::repeat_n(String::new(), HEADER.len() - 3));
            row.push(rejection.to_string());
        }
    }
    row
}

/// Returns the cells of a document's row, except for the first two, which contain the id and the
/// state.
pub(super) fn columns(document: &Document, now: Timestamp) -> [String; 7] {
    let directive = &document.directive;
    let audit = &document.audit;
    [
        directive.level.to_string(),
        targets(&directive.match_),
        per_mille(directive.sample_per_mille),
        records(document),
        relative(directive.expires_at, now),
        audit.updated_by.clone().unwrap_or_default(),
        audit.reason.clone().unwrap_or_default(),
    ]
}

fn wide_columns(stored: &Stored, now: Timestamp) -> [String; 7] {
    let Ok(document) = &stored.document else {
        return Default::default();
    };
    let at = |time: Option<Timestamp>| time.map(|time| relative(time, now)).unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let audit = &document.audit;
    [
        at(document.directive.starts_at),
        text(&audit.ticket),
        text(&audit.owner),
        text(&audit.created_by),
        at(audit.updated_at),
        text(&audit.revoked_by),
        text(&audit.revoked_reason),
    ]
}
