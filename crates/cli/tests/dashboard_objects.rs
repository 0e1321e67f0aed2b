//! Tests the file with the saved objects of the dashboards, without running OpenSearch Dashboards:
//! the file is up to date, and each object and each field to which the file refers exists.

use std::path::PathBuf;
use std::process::Command;

use opensearch_directives::admin::{Client, Installer};
use serde_json::Value;

use crate::support::node::cluster;

/// Returns the saved objects for an index.
pub(crate) fn saved_objects(url: &str, index: &str) -> Vec<Value> {
    let client = Client::new(&cluster(url, index)).unwrap();
    Installer::new(client)
        .saved_objects()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Returns the JSON value in a string of JSON.
pub(crate) fn parsed(text: &Value) -> Value {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

/// Returns the saved object whose id consists of the name of the index and the given name.
pub(crate) fn object<'a>(objects: &'a [Value], index: &str, name: &str) -> &'a Value {
    let id = format!("{index}.{name}");
    let found = objects.iter().find(|object| object["id"] == *id);
    found.unwrap_or_else(|| panic!("no object has the id {id}"))
}

fn file(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../mappings/dashboards");
    PathBuf::from(folder).join(name)
}

#[test]
fn the_file_of_saved_objects_is_the_output_of_its_script() {
    let output = Command::new("python3")
        .arg("-B")
        .arg(file("generate.py"))
        .output()
        .unwrap();
    assert!(output.status.success());
    let stored = std::fs::read(file("directives.ndjson")).unwrap();
    assert!(
        output.stdout == stored,
        "run mappings/dashboards/generate.py >mappings/dashboards/directives.ndjson"
    );
}

#[test]
fn references_resolve_and_every_string_of_json_is_valid() {
    let objects = saved_objects("http://127.0.0.1:1", "elsewhere");
    for object in &objects {
        let id = object["id"].as_str().unwrap();
        assert!(id.starts_with("elsewhere."), "{id}");
        for reference in object["references"].as_array().unwrap() {
            let resolves = objects
                .iter()
                .any(|other| other["id"] == reference["id"] && other["type"] == reference["type"]);
            assert!(resolves, "{id}: {reference}");
        }
        for (key, value) in object["attributes"].as_object().unwrap() {
            if key.ends_with("JSON") || key == "visState" {
                parsed(value);
            }
        }
    }
    let patterns = objects
        .iter()
        .filter(|object| object["type"] == "index-pattern");
    let titles: Vec<&Value> = patterns
        .map(|pattern| &pattern["attributes"]["title"])
        .collect();
    assert_eq!(titles, ["elsewhere", "elsewhere"], "without a wildcard");
}

#[test]
fn every_field_of_a_panel_exists_and_fits_its_use() {
    let objects = saved_objects("http://127.0.0.1:1", "directives");
    let fields = parsed(&object(&objects, "directives", "now")["attributes"]["fields"]);
    let field = |name: &Value| {
        let fields = fields.as_array().unwrap();
        let found = fields.iter().find(|field| field["name"] == *name);
        found.unwrap_or_else(|| panic!("there is no field {name}"))
    };
    let formats = &object(&objects, "directives", "now")["attributes"]["fieldFormatMap"];
    for name in parsed(formats).as_object().unwrap().keys() {
        field(&name.as_str().into());
    }
    let mut aggregated = 0;
    for object in &objects {
        let attributes = &object["attributes"];
        for column in attributes["columns"].as_array().into_iter().flatten() {
            field(column);
        }
        if object["type"] != "visualization" {
            continue;
        }
        let state = parsed(&attributes["visState"]);
        let params = state["aggs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|agg| &agg["params"]["field"]);
        let controls = state["params"]["controls"].as_array().into_iter().flatten();
        let filtered = controls.map(|control| &control["fieldName"]);
        for name in params.chain(filtered).filter(|name| !name.is_null()) {
            assert_eq!(
                field(name)["aggregatable"],
                true,
                "{name} in {}",
                object["id"]
            );
            aggregated += 1;
        }
    }
    assert_eq!(aggregated, 8);
}
