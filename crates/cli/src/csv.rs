//! Formats JSON objects as comma-separated values (RFC 4180).

use serde_json::Value;

/// Returns a line with the names of the columns, and a line for each object. The value of a column
/// is the object's field with the same name.
pub(super) fn lines(columns: &[&str], objects: impl Iterator<Item = Value>) -> String {
    let mut lines = vec![columns.join(",")];
    for object in objects {
        let cells = columns.iter().map(|name| cell(&object[name]));
        lines.push(cells.collect::<Vec<_>>().join(","));
    }
    lines.join("\n")
}

/// Formats one value. The elements of a list are separated by spaces.
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

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
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
}
