//! Creates the index with its settings and its mapping, or updates an existing index. The installer
//! then verifies the settings and the mapping of the index.
//!
//! The request that creates the index contains all settings and the whole mapping. If the create
//! request left out a setting, a template with a higher priority could give this setting a wrong
//! value, for example several shards or another pipeline.

use opensearch::indices::{
    IndicesCreateParts, IndicesGetParts, IndicesPutMappingParts, IndicesPutSettingsParts,
};
use serde_json::{Map, Value, json};

use super::error::InstallError;
use super::template::set_replicas;
use super::{Change, InstallStep, Installer};
use crate::http::{Method, Request};

const WHAT: &str = "index";
/// The settings of the template that can be changed while the index is open.
const CHANGEABLE: [&str; 2] = ["index.default_pipeline", "index.refresh_interval"];

impl Installer {
    /// Returns the steps that create a missing index, or that update an existing index to the
    /// settings and the mapping of the template.
    pub(super) async fn plan_index(
        &self,
        wanted: &Value,
    ) -> Result<Vec<InstallStep>, InstallError> {
        let path = IndicesCreateParts::Index(self.client.index()).url();
        let Some((name, index)) = self.existing_index().await? else {
            let body = json!({ "settings": wanted["settings"], "mappings": wanted["mappings"] });
            return Ok(vec![InstallStep::put(WHAT, Change::Create, path, body)]);
        };
        let problems = fixed_problems(&index, wanted);
        if !problems.is_empty() {
            return Err(self.does_not_fit(problems, false));
        }
        let mut steps = Vec::new();
        if let Some(mapping) = mapping_update(&index, wanted) {
            let path = IndicesPutMappingParts::Index(&[&name]).url();
            steps.push(InstallStep::put(WHAT, Change::Update, path, mapping));
        }
        if let Some(settings) = self.settings_update(&index, wanted) {
            let path = IndicesPutSettingsParts::Index(&[&name]).url();
            steps.push(InstallStep::put(WHAT, Change::Update, path, settings));
        }
        if steps.is_empty() {
            steps.push(InstallStep::put(WHAT, Change::Keep, path, json!({})));
        }
        Ok(steps)
    }

    /// Verifies, after an installation, that the index has the settings and the mapping of the
    /// template.
    pub(super) async fn verify_index(&self) -> Result<(), InstallError> {
        let wanted = self.template(None)["template"].take();
        let Some((_, index)) = self.existing_index().await? else {
            return Err(self.does_not_fit(vec!["it does not exist".to_owned()], true));
        };
        let mut problems = fixed_problems(&index, &wanted);
        if mapping_update(&index, &wanted).is_some() {
            problems.push("its mapping lacks fields or is not strict".to_owned());
        }
        for key in CHANGEABLE {
            if index["settings"][key] != wanted["settings"][key] {
                problems.push(format!(
                    "{key} is {}, not {}",
                    index["settings"][key], wanted["settings"][key]
                ));
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(self.does_not_fit(problems, true))
        }
    }

    /// Requests the name, the flat settings and the mapping of the concrete index. Returns `None`
    /// if the index does not exist.
    async fn existing_index(&self) -> Result<Option<(String, Value)>, InstallError> {
        let path = IndicesGetParts::Index(&[self.client.index()]).url();
        let request = Request::new(Method::Get, path).query("flat_settings", "true");
        let Some(response) = self.fetch(WHAT, request).await? else {
            return Ok(None);
        };
        let Value::Object(mut indices) = response else {
            return Ok(None);
        };
        let (count, name) = (indices.len(), indices.keys().next().cloned());
        match name {
            Some(name) if count == 1 => {
                let index = indices.remove(&name).unwrap_or_default();
                Ok(Some((name, index)))
            }
            _ => {
                let problem = format!("the name refers to {count} indices instead of one");
                Err(self.does_not_fit(vec![problem], false))
            }
        }
    }

    /// Returns the right values of those changeable settings whose current values are wrong.
    /// Returns `None` if all changeable settings already have the right values.
    fn settings_update(&self, index: &Value, wanted: &Value) -> Option<Value> {
        let mut stale: Map<String, Value> = CHANGEABLE
            .into_iter()
            .filter(|key| index["settings"][key] != wanted["settings"][key])
            .map(|key| (key.to_owned(), wanted["settings"][key].clone()))
            .collect();
        if let Some(replicas) = self.replicas.map(|number| number.to_string()) {
            let mut settings = json!({});
            set_replicas(&mut settings, &replicas);
            for (key, value) in settings.as_object().into_iter().flatten() {
                let installed = index["settings"].get(key);
                if installed.unwrap_or(&Value::from("false")) != value {
                    stale.insert(key.clone(), value.clone());
                }
            }
        }
        (!stale.is_empty()).then(|| stale.into())
    }

    fn does_not_fit(&self, problems: Vec<String>, made_now: bool) -> InstallError {
        InstallError::does_not_fit(self.client.index(), problems, made_now)
    }
}

/// Describes how the index differs from the template in ways that cannot be corrected while the
/// index is open.
fn fixed_problems(index: &Value, wanted: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let settings = &index["settings"];
    if settings["index.number_of_shards"] != "1" {
        problems.push(format!(
            "index.number_of_shards is {}, not 1",
            settings["index.number_of_shards"]
        ));
    }
    if let Some(pipeline) = settings.get("index.final_pipeline")
        && pipeline != "_none"
    {
        problems.push(format!(
            "index.final_pipeline is {pipeline}, which can change documents after the pipeline has checked them"
        ));
    }
    for (field, wanted) in fields(wanted) {
        let installed = &index["mappings"]["properties"][field];
        if !installed.is_null() && installed["type"] != wanted["type"] {
            problems.push(format!(
                "the field {field} has the type {}, not {}",
                installed["type"], wanted["type"]
            ));
        }
    }
    problems
}

/// Returns an update of the mapping that adds the missing fields, or `None` if the mapping is
/// complete and strict.
fn mapping_update(index: &Value, wanted: &Value) -> Option<Value> {
    let mappings = &index["mappings"];
    let missing: Map<String, Value> = fields(wanted)
        .filter(|(field, _)| mappings["properties"][field.as_str()].is_null())
        .map(|(field, wanted)| (field.clone(), wanted.clone()))
        .collect();
    let dynamic = &wanted["mappings"]["dynamic"];
    (!missing.is_empty() || mappings["dynamic"] != *dynamic).then(|| {
        // A reader of the mapping learns from the version in `_meta` which fields the mapping must
        // contain, so that the reader can detect hidden fields.
        let meta = &wanted["mappings"]["_meta"];
        json!({ "dynamic": dynamic, "_meta": meta, "properties": missing })
    })
}

fn fields(wanted: &Value) -> impl Iterator<Item = (&String, &Value)> {
    wanted["mappings"]["properties"]
        .as_object()
        .into_iter()
        .flatten()
}
