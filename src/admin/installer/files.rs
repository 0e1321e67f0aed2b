//! The JSON files of `mappings/` are embedded into the program. The functions of this module parse
//! the embedded JSON files.

use serde_json::Value;

const PIPELINE_JSON: &str = include_str!("../../../mappings/ingest-pipeline.json");
const TEMPLATE_JSON: &str = include_str!("../../../mappings/index-template.json");
const HISTORY_TEMPLATE_JSON: &str = include_str!("../../../mappings/history-template.json");
const RETENTION_POLICY_JSON: &str = include_str!("../../../mappings/history-retention-policy.json");
const FLEET_TEMPLATE_JSON: &str = include_str!("../../../mappings/fleet-template.json");
const FLEET_HISTORY_TEMPLATE_JSON: &str =
    include_str!("../../../mappings/fleet-history-template.json");
pub(super) const DASHBOARDS_NDJSON: &str =
    include_str!("../../../mappings/dashboards/directives.ndjson");

pub(super) fn pipeline() -> Value {
    parse(PIPELINE_JSON)
}

pub(super) fn template() -> Value {
    parse(TEMPLATE_JSON)
}

pub(super) fn history_template() -> Value {
    parse(HISTORY_TEMPLATE_JSON)
}

pub(super) fn retention_policy() -> Value {
    parse(RETENTION_POLICY_JSON)
}

pub(super) fn fleet_template() -> Value {
    parse(FLEET_TEMPLATE_JSON)
}

pub(super) fn fleet_history_template() -> Value {
    parse(FLEET_HISTORY_TEMPLATE_JSON)
}

/// Returns the names of all fields in the mapping that this program installs for the index.
pub(in crate::admin) fn mapped_fields() -> Vec<String> {
    let template = template();
    let properties = template["template"]["mappings"]["properties"].as_object();
    let names = properties.into_iter().flat_map(|map| map.keys());
    names.cloned().collect()
}

/// Parses an embedded JSON file. A test checks that each embedded file is valid JSON.
pub(in crate::admin) fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_embedded_files_are_json() {
        assert!(pipeline()["processors"].is_array());
        assert!(template()["template"].is_object());
        assert!(history_template()["template"].is_object());
        assert!(retention_policy()["policy"]["states"].is_array());
        assert!(fleet_template()["template"].is_object());
        assert!(fleet_history_template()["template"].is_object());
        for line in DASHBOARDS_NDJSON.lines() {
            assert!(parse(line)["attributes"].is_object(), "{line}");
        }
    }

    #[test]
    fn the_pipeline_contains_its_readable_source() {
        let source = include_str!("../../../mappings/ingest-pipeline.painless");
        let script = &pipeline()["processors"][1]["script"];
        assert_eq!(script["source"], source, "run scripts/lib/pipeline.py");
    }

    #[test]
    fn the_pipeline_knows_the_names_that_the_decoder_knows() {
        let pipeline = pipeline();
        let params = &pipeline["processors"][1]["script"]["params"];
        assert_eq!(params["levels"], json!(crate::DiagLevel::ALL));
        assert_eq!(params["endpoints"], json!(crate::EndpointKind::ALL));
        let template = template();
        let properties = template["template"]["mappings"]["properties"]
            .as_object()
            .unwrap();
        let fields = params["fields"].as_array().unwrap();
        let draft_only = ["ttl_secs", "author"];
        assert_eq!(fields.len(), properties.len() + draft_only.len());
        assert!(fields.iter().all(|field| {
            let field = field.as_str().unwrap();
            properties.contains_key(field) || draft_only.contains(&field)
        }));
    }
}
