//! Formats documents as a table that fits the terminal.

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, Width, presets};
use jiff::Timestamp;
use opensearch_directives::admin::Stored;
use opensearch_directives::document::Document;

use super::directive_text::{printable, records, targets};
use super::duration::relative;
use super::field_filters::State;
use super::flag_values::per_mille;

const HEADER: [&str; 9] = [
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
/// The columns that are truncated if the terminal is too narrow. Every other column is short, or an
/// operator needs its whole text.
const TRUNCATED: [&str; 8] = [
    "WHAT",
    "MATCHES",
    "BY",
    "REASON",
    "TICKET",
    "OWNER",
    "CREATED BY",
    "REVOKED FOR",
];

/// Returns the width of the terminal, or `None` if standard output is not a terminal.
pub(super) fn terminal_width() -> Option<u16> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0)
}

/// Formats the documents as a table with one row for each document. If a width is given, long texts
/// are truncated so that the table does not exceed this width.
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
    fitted(&header, rows, width)
}

/// Formats rows as a table. If `width` is given, long texts are truncated so that the table does
/// not exceed this width.
pub(super) fn fitted(
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    width: Option<u16>,
) -> String {
    let line = |cells: Vec<String>| {
        let mut row = Row::from(cells.iter().map(|text| printable(text)));
        row.max_height(1);
        row
    };
    let names = header.iter().map(|name| (*name).to_owned()).collect();
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(line(names))
        .add_rows(rows.map(line));
    if let Some(width) = width {
        // The table library truncates a text at a delimiter, if the text contains one. No text
        // contains the delimiter `\0`, so the library may truncate a text at any character, even
        // within a word.
        table
            .set_delimiter('\0')
            .set_truncation_indicator("…")
            .set_content_arrangement(ContentArrangement::Dynamic)
            // The width may exceed the terminal's width by one, because the space at the start of
            // each line is not printed.
            .set_width(width.saturating_add(1));
        let widths = table.column_max_content_widths();
        for (column, (name, content)) in table.column_iter_mut().zip(header.iter().zip(widths)) {
            // The width of the column for ids is limited, so that a very long id does not occupy
            // the whole line.
            let least = if TRUNCATED.contains(name) {
                u16::try_from(name.len()).unwrap_or(content)
            } else {
                content.min(width / 3)
            };
            // The width of a column includes its padding.
            let least = Width::Fixed(least.saturating_add(2));
            column.set_constraint(ColumnConstraint::LowerBoundary(least));
        }
    }
    trimmed(&table)
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

/// Returns those cells of a row that follow the cells with the id and the state.
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

/// Returns the lines of a table without the white space that the table style adds at both ends.
pub(super) fn trimmed(table: &Table) -> String {
    table
        .lines()
        .map(|line| {
            line.strip_prefix(' ')
                .unwrap_or(&line)
                .trim_end()
                .to_owned()
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_the_terminal_and_keeps_what_is_not_text_for_people() {
        let cells = [
            "slow-acme-checkout",
            "active",
            "ShapeRewriteDiff",
            "tenant=acme index=orders-2030 principal=checkout-service",
            "100 ‰",
            "ring-buffer",
            "in 14m 30s",
            "alice.longname@example.com",
            "searches of the checkout are slow since the last deployment",
        ];
        let rows = || std::iter::once(cells.map(str::to_owned).to_vec());
        let whole = fitted(&HEADER, rows(), None);
        assert!(cells.iter().all(|cell| whole.contains(cell)), "{whole}");
        for width in [100, 120, 140] {
            let table = fitted(&HEADER, rows(), Some(width));
            let lines: Vec<&str> = table.lines().collect();
            assert_eq!(lines.len(), 2, "{table}");
            for line in lines {
                assert!(
                    line.chars().count() <= usize::from(width),
                    "{width}: {line}"
                );
            }
            assert!(table.contains('…'), "{table}");
            for n in [0, 1, 2, 4, 5, 6] {
                assert!(table.contains(cells[n]), "{width}: {}: {table}", cells[n]);
            }
        }
    }
}
