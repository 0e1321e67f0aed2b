//! Formats rows of text as a table that fits the width of the terminal.

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, Width, presets};

use super::directive_text::printable;

/// The columns whose texts the table truncates on a narrow terminal. Texts in all other columns are
/// short, or an operator needs them in full.
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

/// The columns with free texts. The table shows at most [`LONGEST_FREE_TEXT`] characters of a free
/// text, even if the output is not a terminal. Without this maximum, one long text would widen all
/// lines of the table. The JSON output contains the whole text.
const FREE_TEXTS: [&str; 2] = ["REASON", "REVOKED FOR"];
const LONGEST_FREE_TEXT: usize = 100;

/// The number of spaces that the style of the table adds to each column.
const PADDING: u16 = 2;

/// Returns the width of the terminal in characters, or `None` if standard output is not a terminal.
pub(super) fn terminal_width() -> Option<u16> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0)
}

/// Formats rows of text as a table. If `width` is given, the table is at most `width` characters
/// wide. To fit the width, the function first truncates long texts in the columns of [`TRUNCATED`].
/// If the table is still too wide, the function omits the columns without content. If omitting the
/// columns without content is not enough, the function truncates the texts in all other columns.
/// Finally, the function omits the columns in `droppable`, one after the other.
pub(super) fn fitted(
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    width: Option<u16>,
    droppable: &[&str],
) -> String {
    let shown = |cells: Vec<String>| {
        let cells = header.iter().zip(&cells);
        cells.map(|(name, text)| shown(name, text)).collect()
    };
    let rows: Vec<Vec<String>> = rows.map(shown).collect();
    let names: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    let all: Vec<usize> = (0..header.len()).collect();
    let whole = table_of(&names, &rows, &all);
    let Some(width) = width else {
        return trimmed(&whole);
    };
    let widths = whole.column_max_content_widths();
    let columns = header.iter().zip(widths).enumerate();
    let columns = columns.map(|(index, (name, content))| Column {
        index,
        name,
        least: least_width(name, content, width),
        is_empty: rows.iter().all(|row| row[index].is_empty()),
    });
    let columns = layout(columns.collect(), width, droppable);
    let indices: Vec<usize> = columns.iter().map(|column| column.index).collect();
    let mut table = table_of(&names, &rows, &indices);
    // The table library truncates a text at its delimiter if the text contains the delimiter. No
    // text contains the delimiter `\0`, so the library can truncate a text at any character, even
    // within a word.
    table
        .set_delimiter('\0')
        .set_truncation_indicator("…")
        .set_content_arrangement(ContentArrangement::Dynamic)
        // The library may make the table wider than the terminal by one character, because the
        // leading space of each line is not printed.
        .set_width(width.saturating_add(1));
    for (column, Column { least, .. }) in table.column_iter_mut().zip(&columns) {
        // The width of a column in the table library includes the padding, so the padding is added
        // to the least width.
        let least = Width::Fixed(least.saturating_add(PADDING));
        column.set_constraint(ColumnConstraint::LowerBoundary(least));
    }
    trimmed(&table)
}

/// Returns the text that the table shows in a cell. A free text is truncated if it is longer than
/// [`LONGEST_FREE_TEXT`].
fn shown(column: &str, text: &str) -> String {
    let text = printable(text);
    match text.char_indices().nth(LONGEST_FREE_TEXT) {
        Some((end, _)) if FREE_TEXTS.contains(&column) => format!("{}…", &text[..end]),
        _ => text,
    }
}

/// A column of a table that must fit a given width.
struct Column<'a> {
    index: usize,
    name: &'a str,
    /// The minimum width of the column, to which the table may truncate its texts.
    least: u16,
    is_empty: bool,
}

/// Returns the minimum width of a column, unless the terminal is so narrow that the table must
/// truncate all columns.
fn least_width(name: &str, content: u16, width: u16) -> u16 {
    if TRUNCATED.contains(&name) {
        header_width(name)
    } else {
        // The minimum width of the id is limited, so that a very long id does not fill the whole
        // line.
        content.min(width / 3)
    }
}

fn header_width(name: &str) -> u16 {
    u16::try_from(name.len()).unwrap_or(u16::MAX)
}

/// Omits and narrows columns until the remaining columns together fit the width.
fn layout<'a>(mut columns: Vec<Column<'a>>, width: u16, droppable: &[&str]) -> Vec<Column<'a>> {
    let fits = |columns: &[Column<'_>]| {
        let widths = columns.iter().map(|column| column.least + PADDING);
        widths.sum::<u16>() <= width.saturating_add(1)
    };
    if !fits(&columns) {
        columns.retain(|column| !column.is_empty);
    }
    if !fits(&columns) {
        for (number, column) in columns.iter_mut().enumerate() {
            let least = if number == 0 {
                width / 4
            } else {
                header_width(column.name)
            };
            column.least = column.least.min(least);
        }
    }
    for name in droppable {
        if !fits(&columns) {
            columns.retain(|column| column.name != *name);
        }
    }
    columns
}

/// Formats all rows as a table that contains only the columns with the given indices.
fn table_of(header: &[String], rows: &[Vec<String>], columns: &[usize]) -> Table {
    let line = |cells: &[String]| {
        let mut row = Row::from(columns.iter().map(|&column| cells[column].clone()));
        row.max_height(1);
        row
    };
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(line(header))
        .add_rows(rows.iter().map(|cells| line(cells)));
    table
}

/// Returns the lines of a table without the spaces that the table style adds at the start and at
/// the end of each line.
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
    use crate::directive_table::HEADER;

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
        let whole = fitted(&HEADER, rows(), None, &[]);
        assert!(cells.iter().all(|cell| whole.contains(cell)), "{whole}");
        for width in [100, 120, 140] {
            let table = fitted(&HEADER, rows(), Some(width), &[]);
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

    #[test]
    fn a_long_reason_does_not_widen_every_line_of_a_table_without_a_terminal() {
        let reason = "because ".repeat(50);
        let rows = [
            vec!["a".to_owned(), reason],
            vec!["b".to_owned(), String::new()],
        ];
        let table = fitted(&["ID", "REASON"], rows.into_iter(), None, &[]);
        let longest = table.lines().map(|line| line.chars().count()).max();
        assert_eq!(
            longest,
            Some("ID  ".len() + LONGEST_FREE_TEXT + 1),
            "{table}"
        );
        assert!(table.ends_with('b') && table.contains('…'), "{table}");
    }

    #[test]
    fn a_narrow_terminal_shows_the_important_columns() {
        let cells = [
            "slow-acme-checkout",
            "active",
            "ShapeRewriteDiff",
            "tenant=acme index=orders-2030",
            "100 ‰",
            "ring-buffer",
            "in 14m 30s",
            "alice",
            "",
        ];
        let rows = || std::iter::once(cells.map(str::to_owned).to_vec());
        for (width, dropped) in [(80, ""), (72, ""), (60, "BY"), (44, "RECORDS")] {
            let droppable = ["REASON", "BY", "SAMPLE", "RECORDS"];
            let table = fitted(&HEADER, rows(), Some(width), &droppable);
            for line in table.lines() {
                assert!(
                    line.chars().count() <= usize::from(width),
                    "{width}: {table}"
                );
            }
            for name in ["ID", "STATE", "LEVEL", "MATCHES", "EXPIRES"] {
                assert!(table.contains(name), "{width}: {table}");
            }
            // On a narrow terminal, the table omits a column without content before it omits any
            // other column.
            assert!(!table.contains("REASON"), "{width}: {table}");
            let has = |name: &str| table.split_whitespace().any(|word| word == name);
            assert!(dropped.is_empty() || !has(dropped), "{width}: {table}");
            assert!(!dropped.is_empty() || has("BY"), "{width}: {table}");
        }
    }
}
