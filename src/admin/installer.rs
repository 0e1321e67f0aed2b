//! Installs what the index needs in a cluster: the ingest pipeline, the template, the
//! index; and the dashboards. Twice is fine; what is newer is left alone.

use std::fmt;

use serde_json::{Value, json};

use crate::http::{Client, Method, Request, RequestError, segment};

/// The ingest pipeline's name, whatever the index is called.
pub(crate) const PIPELINE: &str = "directives";

const PIPELINE_JSON: &str = include_str!("../../mappings/ingest-pipeline.json");
const TEMPLATE_JSON: &str = include_str!("../../mappings/index-template.json");
const DASHBOARDS_NDJSON: &str = include_str!("../../mappings/dashboards/directives.ndjson");
/// What the index is called in those files.
const INDEX_IN_FILES: &str = "directives";

/// Why the cluster could not be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// A request failed.
    #[error("cannot install {what}")]
    Request {
        /// What was to be installed.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: Box<RequestError>,
    },
    /// What is installed is newer than what this version would install.
    #[error(
        "the {what} is of version {installed}, newer than this program's {ours}; use a newer \
         program, or delete it first"
    )]
    Newer {
        /// What is newer.
        what: &'static str,
        /// The version that is installed.
        installed: u64,
        /// This program's version of it.
        ours: u64,
    },
    /// The index exists and cannot be made to fit.
    #[error(
        "the index {index} exists and does not fit: {}; reindex it into one that \
         `directives init` made, or name another",
        .problems.join("; ")
    )]
    DoesNotFit {
        /// The index.
        index: String,
        /// What does not fit.
        problems: Vec<String>,
    },
    /// OpenSearch Dashboards did not take all saved objects.
    #[error("OpenSearch Dashboards did not take the saved objects: {0}")]
    Dashboards(String),
}

impl InstallError {
    pub(super) fn request(what: &'static str, source: RequestError) -> Self {
        Self::Request {
            what,
            source: Box::new(source),
        }
    }
}

/// What a step does to the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Change {
    /// It is not there, and is created.
    Create,
    /// It is there, and is brought up to date.
    Update,
    /// It is there as it should be.
    Keep,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Keep => "keep",
        })
    }
}

/// One request of an installation.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct InstallStep {
    /// What is installed.
    pub what: &'static str,
    /// What the step does.
    pub change: Change,
    /// The request's method.
    pub method: &'static str,
    /// The request's path.
    pub path: String,
    /// The request's body.
    pub body: Value,
}

/// Installs what a client's index needs.
#[derive(Clone, Debug)]
pub struct Installer {
    pub(super) client: Client,
}

impl Installer {
    /// For the client's index.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// What [`install`](Self::install) would do now. Changes nothing.
    ///
    /// # Errors
    /// As `install`, for what can be known beforehand.
    pub async fn plan(&self) -> Result<Vec<InstallStep>, InstallError> {
        let mut steps = vec![self.plan_pipeline().await?, self.plan_template().await?];
        steps.extend(self.plan_index().await?);
        Ok(steps)
    }

    /// Brings the cluster up to date, and tells what that took.
    ///
    /// # Errors
    /// [`InstallError`]. What was installed before the error stays; installing again
    /// goes on from there.
    pub async fn install(&self) -> Result<Vec<InstallStep>, InstallError> {
        let steps = self.plan().await?;
        for step in steps.iter().filter(|step| step.change != Change::Keep) {
            let request = Request::new(Method::Put, step.path.clone()).json(step.body.to_string());
            match self.client.send(request).await {
                Ok(_) => {}
                // Somebody else installs, too.
                Err(error) if error.exception() == Some("resource_already_exists_exception") => {}
                Err(source) => {
                    return Err(InstallError::request(step.what, source));
                }
            }
        }
        Ok(steps)
    }

    /// Imports the saved objects into OpenSearch Dashboards; `dashboards` is a client
    /// of its address. Those of the same ids are replaced.
    ///
    /// # Errors
    /// [`InstallError`], also when only some objects were taken.
    pub async fn import_dashboards(&self, dashboards: &Client) -> Result<u64, InstallError> {
        const BOUNDARY: &str = "opensearch-directives-saved-objects";
        let objects = self.saved_objects();
        let body = format!(
            "--{BOUNDARY}\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"directives.ndjson\"\r\n\
             Content-Type: application/ndjson\r\n\r\n\
             {objects}\r\n--{BOUNDARY}--\r\n"
        );
        let request = Request::new(Method::Post, "/api/saved_objects/_import")
            .query("overwrite", "true")
            .header("osd-xsrf", "true")
            .body(format!("multipart/form-data; boundary={BOUNDARY}"), body);
        let answer: Value = dashboards
            .json(request)
            .await
            .map_err(|source| InstallError::request("dashboards", source))?;
        if answer["success"] != true {
            return Err(InstallError::Dashboards(answer["errors"].to_string()));
        }
        Ok(answer["successCount"].as_u64().unwrap_or_default())
    }

    /// The saved objects for the client's index, as NDJSON.
    #[must_use]
    pub fn saved_objects(&self) -> String {
        let title = |index: &str| format!("\"title\":\"{index}\",\"timeFieldName\"");
        let plain = |index: &str| format!("\"attributes\":{{\"title\":\"{index}\"}}");
        DASHBOARDS_NDJSON
            .replace(&title(INDEX_IN_FILES), &title(self.client.index()))
            .replace(&plain(INDEX_IN_FILES), &plain(self.client.index()))
    }

    async fn plan_pipeline(&self) -> Result<InstallStep, InstallError> {
        let what = "ingest pipeline";
        let path = format!("/_ingest/pipeline/{PIPELINE}");
        let body = file(PIPELINE_JSON);
        let installed = self.fetch(what, &path).await?;
        let installed = installed.as_ref().map(|answer| &answer[PIPELINE]);
        Ok(InstallStep {
            change: change(what, &body, installed)?,
            what,
            method: "PUT",
            path,
            body,
        })
    }

    async fn plan_template(&self) -> Result<InstallStep, InstallError> {
        let what = "index template";
        let path = format!("/_index_template/{}", segment(self.client.index()));
        let mut body = file(TEMPLATE_JSON);
        body["index_patterns"] = json!([self.client.index()]);
        let installed = self.fetch(what, &path).await?;
        let installed = installed
            .as_ref()
            .map(|answer| &answer["index_templates"][0]["index_template"]);
        Ok(InstallStep {
            change: change(what, &body, installed)?,
            what,
            method: "PUT",
            path,
            body,
        })
    }

    async fn plan_index(&self) -> Result<Vec<InstallStep>, InstallError> {
        let what = "index";
        let path = format!("/{}", segment(self.client.index()));
        let step = |change, path: String, body| InstallStep {
            what,
            change,
            method: "PUT",
            path,
            body,
        };
        let request = Request::new(Method::Get, path.clone()).query("flat_settings", "true");
        let Some(answer) = self.fetch_by(what, request).await? else {
            return Ok(vec![step(Change::Create, path, json!({}))]);
        };
        let template = file(TEMPLATE_JSON);
        let (wanted_settings, wanted_mappings) = (
            &template["template"]["settings"],
            &template["template"]["mappings"],
        );
        let mut steps = Vec::new();
        let mut problems = Vec::new();
        let indices: Vec<(&String, &Value)> = answer.as_object().into_iter().flatten().collect();
        let [(name, index)] = indices[..] else {
            problems.push(format!("it stands for {} indices, not one", indices.len()));
            return Err(self.does_not_fit(problems));
        };
        if index["settings"]["index.number_of_shards"] != "1" {
            problems.push(format!(
                "index.number_of_shards is {}, not 1",
                index["settings"]["index.number_of_shards"]
            ));
        }
        let mut missing = serde_json::Map::new();
        for (field, wanted) in wanted_mappings["properties"]
            .as_object()
            .into_iter()
            .flatten()
        {
            let there = &index["mappings"]["properties"][field];
            if there.is_null() {
                missing.insert(field.clone(), wanted.clone());
            } else if there["type"] != wanted["type"] {
                problems.push(format!(
                    "the field {field} is of type {}, not {}",
                    there["type"], wanted["type"]
                ));
            }
        }
        if !problems.is_empty() {
            return Err(self.does_not_fit(problems));
        }
        if !missing.is_empty() || index["mappings"]["dynamic"] != wanted_mappings["dynamic"] {
            steps.push(step(
                Change::Update,
                format!("/{}/_mapping", segment(name)),
                json!({ "dynamic": wanted_mappings["dynamic"], "properties": missing }),
            ));
        }
        // Those that can be changed while the index is open.
        let stale: serde_json::Map<String, Value> =
            ["index.default_pipeline", "index.refresh_interval"]
                .into_iter()
                .filter(|key| index["settings"][key] != wanted_settings[key])
                .map(|key| (key.to_owned(), wanted_settings[key].clone()))
                .collect();
        if !stale.is_empty() {
            steps.push(step(
                Change::Update,
                format!("/{}/_settings", segment(name)),
                stale.into(),
            ));
        }
        if steps.is_empty() {
            steps.push(step(Change::Keep, path, json!({})));
        }
        Ok(steps)
    }

    fn does_not_fit(&self, problems: Vec<String>) -> InstallError {
        InstallError::DoesNotFit {
            index: self.client.index().to_owned(),
            problems,
        }
    }

    /// What is there, or `None`.
    pub(super) async fn fetch(
        &self,
        what: &'static str,
        path: &str,
    ) -> Result<Option<Value>, InstallError> {
        self.fetch_by(what, Request::new(Method::Get, path)).await
    }

    async fn fetch_by(
        &self,
        what: &'static str,
        request: Request,
    ) -> Result<Option<Value>, InstallError> {
        match self.client.json(request).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(source) => Err(InstallError::request(what, source)),
        }
    }
}

/// One of the files of `mappings/`; a test checks that each is JSON.
pub(super) fn file(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

fn change(
    what: &'static str,
    ours: &Value,
    installed: Option<&Value>,
) -> Result<Change, InstallError> {
    let version = |of: &Value| of["version"].as_u64().unwrap_or_default();
    match installed {
        None => Ok(Change::Create),
        Some(installed) if version(installed) > version(ours) => Err(InstallError::Newer {
            what,
            installed: version(installed),
            ours: version(ours),
        }),
        Some(installed) if version(installed) == version(ours) => Ok(Change::Keep),
        Some(_) => Ok(Change::Update),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_embedded_files_are_json() {
        assert!(file(PIPELINE_JSON)["processors"].is_array());
        assert!(file(TEMPLATE_JSON)["template"].is_object());
        for line in DASHBOARDS_NDJSON.lines() {
            assert!(file(line)["attributes"].is_object(), "{line}");
        }
    }

    #[test]
    fn the_pipeline_holds_its_readable_source() {
        let source = include_str!("../../mappings/ingest-pipeline.painless");
        let script = &file(PIPELINE_JSON)["processors"][1]["script"];
        assert_eq!(script["source"], source, "run scripts/lib/pipeline.py");
    }

    #[test]
    fn the_pipeline_knows_the_names_that_the_decoder_knows() {
        let script = &file(PIPELINE_JSON)["processors"][1]["script"];
        let levels: Vec<&str> = crate::DiagLevel::ALL.map(crate::DiagLevel::as_str).to_vec();
        let endpoints: Vec<&str> = crate::EndpointKind::ALL
            .map(crate::EndpointKind::as_str)
            .to_vec();
        assert_eq!(script["params"]["levels"], json!(levels));
        assert_eq!(script["params"]["endpoints"], json!(endpoints));
        let template = file(TEMPLATE_JSON);
        let properties = template["template"]["mappings"]["properties"]
            .as_object()
            .unwrap();
        let fields = script["params"]["fields"].as_array().unwrap();
        assert_eq!(fields.len(), properties.len());
        assert!(
            fields
                .iter()
                .all(|field| properties.contains_key(field.as_str().unwrap()))
        );
    }

    #[test]
    fn what_is_newer_is_left_alone() {
        let ours = json!({ "version": 2 });
        let with = |version: u64| change("x", &ours, Some(&json!({ "version": version })));
        assert_eq!(with(1).unwrap(), Change::Update);
        assert_eq!(with(2).unwrap(), Change::Keep);
        assert!(matches!(
            with(3),
            Err(InstallError::Newer {
                installed: 3,
                ours: 2,
                ..
            })
        ));
        assert_eq!(change("x", &ours, None).unwrap(), Change::Create);
        assert_eq!(
            change("x", &ours, Some(&json!({}))).unwrap(),
            Change::Update
        );
    }
}
