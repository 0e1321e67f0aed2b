//! Tests the file with the saved objects of the dashboards, without running OpenSearch Dashboards.
//! The file with the saved objects must be up to date, and must contain each object and each field
//! to which a saved object refers.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::panels::{Panels, parsed};

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
    let objects = Panels::new("http://127.0.0.1:1", "elsewhere").objects;
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
    let indices = [
        "elsewhere",
        "elsewhere",
        "elsewhere-history",
        "elsewhere-fleet",
    ];
    assert_eq!(titles, indices, "without a wildcard");
}

/// Returns the ids of the saved objects of the type `kind` to which `object` refers.
fn referenced(object: &Value, kind: &str) -> Vec<String> {
    let references = object["references"].as_array().unwrap().iter();
    let references = references.filter(|reference| reference["type"] == *kind);
    references
        .map(|reference| reference["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_field_of_a_panel_exists_and_fits_its_use() {
    let panels = Panels::new("http://127.0.0.1:1", "directives");
    let (mut aggregated, mut columns) = (0, 0);
    for object in &panels.objects {
        let attributes = &object["attributes"];
        let Some(pattern) = referenced(object, "index-pattern").pop() else {
            continue;
        };
        let pattern = panels.attributes(pattern.strip_prefix("directives.").unwrap());
        let fields = parsed(&pattern["fields"]);
        let field = |name: &Value| {
            let mut fields = fields.as_array().unwrap().iter();
            let found = fields.find(|field| field["name"] == *name).cloned();
            found.unwrap_or_else(|| panic!("{}: there is no field {name}", object["id"]))
        };
        for name in parsed(&pattern["fieldFormatMap"])
            .as_object()
            .unwrap()
            .keys()
        {
            field(&name.as_str().into());
        }
        for column in attributes["columns"].as_array().into_iter().flatten() {
            field(column);
            columns += 1;
        }
        if object["type"] != "visualization" {
            continue;
        }
        let state = parsed(&attributes["visState"]);
        let params = state["aggs"].as_array().unwrap().iter();
        let params = params.map(|agg| &agg["params"]["field"]);
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
    assert_eq!((columns, aggregated), (70, 35));
}

/// If the key of a group may contain a hyphen, no panel may show a group for other values below
/// this group, because OpenSearch Dashboards would omit it. OpenSearch Dashboards joins the keys of
/// all parent groups with hyphens, and splits the joined text at each hyphen, which breaks a key
/// with a hyphen.
#[test]
fn below_a_value_with_a_hyphen_no_group_needs_the_other_values() {
    let panels = Panels::new("http://127.0.0.1:1", "directives");
    let mut nested = 0;
    for object in &panels.objects {
        if object["type"] != "visualization" {
            continue;
        }
        let state = parsed(&object["attributes"]["visState"]);
        let buckets = state["aggs"].as_array().unwrap().iter();
        let mut buckets = buckets.filter(|agg| agg["schema"] != "metric");
        let Some(outer) = buckets.next() else {
            continue;
        };
        let has_hyphens = outer["type"] == "terms"
            && !["kind", "level"].contains(&outer["params"]["field"].as_str().unwrap());
        for inner in buckets {
            assert!(
                !has_hyphens || inner["params"]["otherBucket"] == false,
                "{}",
                object["id"]
            );
            nested += 1;
        }
    }
    assert_eq!(nested, 7);
}

#[test]
fn the_dashboards_link_to_each_other() {
    let panels = Panels::new("http://127.0.0.1:1", "elsewhere");
    let mut links = Vec::new();
    for name in ["help", "history-help", "fleet-help"] {
        let text = panels.state(name)["params"]["markdown"].clone();
        let text = text.as_str().unwrap().to_owned();
        for link in text.split("](#/view/").skip(1) {
            links.push(link.split(')').next().unwrap().to_owned());
        }
    }
    assert_eq!(links.len(), 6);
    for dashboard in ["dashboard", "history-dashboard", "fleet-dashboard"] {
        let id = format!("elsewhere.{dashboard}");
        assert_eq!(
            links.iter().filter(|link| **link == id).count(),
            2,
            "{links:?}"
        );
        let title = panels.attributes(dashboard)["title"].as_str().unwrap();
        assert!(title.ends_with(": elsewhere"), "{title}");
    }
}
