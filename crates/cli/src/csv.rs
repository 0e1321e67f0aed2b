//! Formats JSON objects as comma-separated values (RFC 4180).

use opensearch_directives::internal::visible;
use serde_json::Value;

/// Returns a line with the names of the columns, and a line for each object. A column contains the
/// value of the field that has the same name as the column.
pub(super) fn lines(columns: &[&str], objects: impl Iterator<Item = Value>) -> String {
    let mut lines = vec![columns.join(",")];
    for object in objects {
        let cells = columns.iter().map(|name| cell(&object[name]));
        lines.push(cells.collect::<Vec<_>>().join(","));
    }
    lines.join("\n")
}

/// Formats one JSON value as a cell of a table. The elements of a list are separated by spaces.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(text),
        Value::Array(values) => {
            let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            quoted(&texts.join(" "))
        }
        other => quoted(&other.to_string()),
    }
}

/// Formats a text that another person may have written as a cell. Control characters and invisible
/// characters in the text are escaped. If a spreadsheet would interpret the text as a formula, an
/// apostrophe is added in front of it.
fn quoted(text: &str) -> String {
    let mut text = visible(text, true);
    if text.starts_with(['=', '+', '-', '@']) {
        text.insert(0, '\'');
    }
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_with_a_separator_is_quoted_and_an_absent_field_is_empty() {
        let object = json!({ "a": "x,\"y\"", "b": ["p", "q"], "c": 7, "d": "two\nlines" });
        let text = lines(&["a", "b", "c", "d", "e"], [object].into_iter());
        assert_eq!(text, "a,b,c,d,e\n\"x,\"\"y\"\"\",p q,7,\"two\nlines\",");
    }

    #[test]
    fn a_cell_is_no_formula_and_cannot_control_the_terminal() {
        for (text, shown) in [
            ("slow searches", "slow searches"),
            ("=1+1", "'=1+1"),
            ("@SUM(1,1)", "\"'@SUM(1,1)\""),
            ("-2", "'-2"),
            ("\t=1", "\\u{9}=1"),
            (
                "\u{1b}[2J\u{9b}\u{202e}\r",
                "\\u{1b}[2J\\u{9b}\\u{202e}\\u{d}",
            ),
        ] {
            assert_eq!(quoted(text), shown);
        }
    }
}
