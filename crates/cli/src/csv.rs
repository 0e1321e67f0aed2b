//! Formats JSON objects as comma-separated values (RFC 4180).

use opensearch_directives::internal::visible;
use serde_json::Value;

/// Returns one line with the names of the columns, and then one line for each object. Each column
/// contains the field of the object that has the same name as the column.
pub(super) fn lines(columns: &[&str], objects: impl Iterator<Item = Value>) -> String {
    let mut lines = vec![columns.join(",")];
    for object in objects {
        let cells = columns.iter().map(|name| cell(&object[name]));
        lines.push(cells.collect::<Vec<_>>().join(","));
    }
    lines.join("\n")
}

/// Formats one JSON value as a CSV cell. Spaces separate the elements of a list in a cell.
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

/// Formats a text as a CSV cell; another person may have written this text. The function escapes
/// control characters and invisible characters. If a spreadsheet would interpret the text as a
/// formula, the function adds an apostrophe in front of the text.
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
