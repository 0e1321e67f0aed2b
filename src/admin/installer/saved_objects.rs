//! The saved objects of OpenSearch Dashboards, adapted to the name of an index.

use serde_json::Value;

use super::files;

/// The name of the index in the file of saved objects, with which each id in the file begins.
const INDEX_IN_FILE: &str = "directives";

/// Returns the saved objects for an index, as NDJSON. The ids of the objects begin with the name of
/// the index, so the dashboard of one index does not replace the dashboard of another index.
pub(super) fn saved_objects(index: &str) -> String {
    let lines = files::DASHBOARDS_NDJSON.lines();
    lines.fold(String::new(), |objects, line| {
        objects + &adapt(line, index) + "\n"
    })
}

/// Returns the id of the dashboard for an index.
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
        "index-pattern" => attributes["title"] = index.into(),
        "dashboard" => {
            let title = attributes["title"].as_str().unwrap_or_default();
            attributes["title"] = format!("{title}: {index}").into();
        }
        "visualization" => within_text(&mut attributes["visState"], |state| {
            if state["type"] == "vega" {
                within_text(&mut state["params"]["spec"], |specification| {
                    specification["data"]["url"]["index"] = index.into();
                });
            }
        }),
        _ => {}
    }
    object.to_string()
}

/// Replaces the first part of an id with the name of the index.
fn rename(id: &mut Value, index: &str) {
    let name = id.as_str().and_then(|id| id.strip_prefix(INDEX_IN_FILE));
    if let Some(name) = name {
        *id = format!("{index}{name}").into();
    }
}

/// Applies a change to the JSON value that a JSON string contains.
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
            "\"directives\\\\\\\"",
            "\"title\":\"directives\"",
        ] {
            assert!(files::DASHBOARDS_NDJSON.contains(left), "{left}");
            assert!(!objects.contains(left), "{left}");
        }
        let id = format!("\"id\":\"{}\"", dashboard_id("other"));
        assert!(objects.contains(&id), "{id}");
        assert!(objects.contains("\"title\":\"Diagnostics directives: other\""));
    }
}
