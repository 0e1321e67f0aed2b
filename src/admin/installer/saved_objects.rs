//! Adapts the saved objects of OpenSearch Dashboards to the name of an index.

use serde_json::Value;

use super::files;

/// The placeholder for the name of the index in the file of saved objects. Each id in the file of
/// saved objects begins with `directives`.
const INDEX_IN_FILE: &str = "directives";
/// A link to a dashboard consists of the text `#/view/` and the id of the dashboard.
const LINK: &str = "#/view/";

/// Returns the saved objects for an index, as NDJSON. The ids of the objects begin with the name of
/// the index, so the dashboard of one index does not replace the dashboard of another index.
pub(super) fn saved_objects(index: &str) -> String {
    let lines = files::DASHBOARDS_NDJSON.lines();
    lines.fold(String::new(), |objects, line| {
        objects + &adapt(line, index) + "\n"
    })
}

/// Returns the id of the dashboard that shows the directives that an index contains now.
pub(super) fn dashboard_id(index: &str) -> String {
    format!("{index}.dashboard")
}

fn adapt(line: &str, index: &str) -> String {
    if index == INDEX_IN_FILE {
        return line.to_owned();
    }
    let Ok(mut object) = serde_json::from_str::<Value>(line) else {
        return line.to_owned();
    };
    rename(&mut object["id"], index);
    for reference in object["references"].as_array_mut().into_iter().flatten() {
        rename(&mut reference["id"], index);
    }
    let kind = object["type"].as_str().unwrap_or_default().to_owned();
    let attributes = &mut object["attributes"];
    match kind.as_str() {
        "index-pattern" => rename(&mut attributes["title"], index),
        "dashboard" => {
            let title = attributes["title"].as_str().unwrap_or_default();
            attributes["title"] = format!("{title}: {index}").into();
        }
        "visualization" => within_text(&mut attributes["visState"], |state| {
            let is_vega = state["type"] == "vega";
            let params = &mut state["params"];
            if is_vega {
                within_text(&mut params["spec"], |specification| {
                    rename_searched_indices(specification, index);
                });
            } else if let Some(text) = params["markdown"].as_str() {
                let link_to = |name: &str| format!("{LINK}{name}.");
                params["markdown"] = text
                    .replace(&link_to(INDEX_IN_FILE), &link_to(index))
                    .into();
            }
        }),
        _ => {}
    }
    object.to_string()
}

/// Replaces the name of the index in each search of a Vega specification.
fn rename_searched_indices(value: &mut Value, index: &str) {
    match value {
        Value::Object(fields) => {
            if let Some(url) = fields.get_mut("url") {
                rename(&mut url["index"], index);
            }
            for (name, value) in fields {
                if name != "url" {
                    rename_searched_indices(value, index);
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                rename_searched_indices(value, index);
            }
        }
        _ => {}
    }
}

/// If a name or an id begins with the placeholder for the index, replaces this placeholder with the
/// name `index`.
fn rename(name: &mut Value, index: &str) {
    let rest = name
        .as_str()
        .and_then(|name| name.strip_prefix(INDEX_IN_FILE));
    if let Some(rest) = rest {
        *name = format!("{index}{rest}").into();
    }
}

/// Applies a change to the JSON that the string `text` contains, because saved objects contain JSON
/// as strings.
fn within_text(text: &mut Value, change: impl FnOnce(&mut Value)) {
    let value = text
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok());
    if let Some(mut value) = value {
        change(&mut value);
        *text = value.to_string().into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_object_of_another_index_keeps_the_name_in_the_file() {
        assert_eq!(saved_objects(INDEX_IN_FILE), files::DASHBOARDS_NDJSON);
        let objects = saved_objects("other");
        for left in [
            "\"directives.",
            "\"index\\\\\\\": \\\\\\\"directives",
            "\"title\":\"directives",
            "#/view/directives.",
        ] {
            assert!(files::DASHBOARDS_NDJSON.contains(left), "{left}");
            assert!(!objects.contains(left), "{left}");
        }
        for searched in ["", "-history", "-fleet"] {
            let index = format!("\"index\\\\\\\":\\\\\\\"other{searched}\\\\\\\"");
            assert!(objects.contains(&index), "{index}");
            let title = format!("\"title\":\"other{searched}\"");
            assert!(objects.contains(&title), "{title}");
        }
        let id = format!("\"id\":\"{}\"", dashboard_id("other"));
        assert!(objects.contains(&id), "{id}");
        assert!(objects.contains("\"title\":\"Diagnostics directives: other\""));
    }
}
