//! Installs the index template, which OpenSearch uses if the index is created without the
//! installer, for example by a first write.

use opensearch::indices::IndicesPutIndexTemplateParts;
use serde_json::{Value, json};

use super::error::InstallError;
use super::{Change, InstallStep, Installer, change};
use crate::http::{Method, Request};

impl Installer {
    pub(super) async fn plan_template(&self) -> Result<InstallStep, InstallError> {
        let path = IndicesPutIndexTemplateParts::Name(self.client.index()).url();
        let request = Request::new(Method::Get, path.clone());
        let (what, _) = self.template_file;
        let installed = self.fetch(what, request).await?;
        let installed = installed
            .as_ref()
            .map(|response| &response["index_templates"][0]["index_template"]);
        let body = self.template(installed);
        let mut change = change(what, &body, installed)?;
        let differs = |installed: &Value| {
            installed["priority"] != body["priority"] || replicas(installed) != replicas(&body)
        };
        if change == Change::Keep && installed.is_some_and(differs) {
            change = Change::Update;
        }
        Ok(InstallStep::put(what, change, path, body))
    }

    /// Returns the index template that should be installed for the client's index. A priority or a
    /// number of replicas that the installer does not set is taken from the installed template.
    pub(super) fn template(&self, installed: Option<&Value>) -> Value {
        let (_, file) = self.template_file;
        let mut template = file();
        template["index_patterns"] = json!([self.client.index()]);
        let kept = installed.and_then(|installed| installed["priority"].as_u64());
        if let Some(priority) = self.template_priority.map(u64::from).or(kept) {
            template["priority"] = priority.into();
        }
        let kept = installed.and_then(replicas);
        if let Some(replicas) = self.replicas.map(|number| number.to_string()).or(kept) {
            set_replicas(&mut template["template"]["settings"], &replicas);
        }
        template
    }
}

/// Sets a fixed number of replicas in the settings, and turns off `auto_expand_replicas`.
pub(super) fn set_replicas(settings: &mut Value, replicas: &str) {
    settings["index.auto_expand_replicas"] = "false".into();
    settings["index.number_of_replicas"] = replicas.into();
}

/// Returns the fixed number of replicas in a template; `None` if the template sets no fixed number.
/// OpenSearch returns the settings of a template as nested objects, even if they were written with
/// flat names.
fn replicas(template: &Value) -> Option<String> {
    let settings = &template["template"]["settings"];
    let flat = &settings["index.number_of_replicas"];
    let nested = &settings["index"]["number_of_replicas"];
    [flat, nested]
        .into_iter()
        .find_map(Value::as_str)
        .map(str::to_owned)
}
