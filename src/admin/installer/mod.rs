//! Prepares a cluster for directives: installs the ingest pipeline, the index template, the index
//! and the dashboards.
//!
//! An installation is planned as a list of requests. The flag `--dry-run` prints the list of
//! requests without sending them. An installation can be repeated, and then changes only what is
//! missing or outdated. An installation never replaces a resource that is newer than this program.

mod dashboards;
mod document_conversion;
mod error;
mod files;
mod fleet;
mod history;
mod index;
mod lifetime_limits;
mod pipeline;
mod retention;
mod saved_objects;
mod template;

use std::fmt;

use serde_json::Value;

use crate::http::{Client, Method, Request};

pub use error::{InstallError, InstallErrorKind};
pub(super) use files::{mapped_fields, parse as file};
pub use history::{HistoryState, RetentionPolicy};
pub use lifetime_limits::{LifetimeLimits, LifetimeLimitsChange};

/// What a step of an installation does to a resource in the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Change {
    /// The resource is missing, so the step creates it.
    Create,
    /// The resource is outdated, so the step updates it.
    Update,
    /// The resource is up to date, so the step changes nothing.
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

/// One step of an installation, which is a request that creates or updates a resource.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct InstallStep {
    /// The kind of the installed resource for messages, such as `index template`.
    pub what: &'static str,
    /// Whether the step creates, updates or keeps the resource.
    pub change: Change,
    /// The HTTP method of the step's request, such as `PUT`.
    pub method: &'static str,
    /// The URL path to which the step sends its request.
    pub path: String,
    /// The JSON body of the step's request; `null` if the request has no body.
    pub body: Value,
}

impl InstallStep {
    fn put(what: &'static str, change: Change, path: impl Into<String>, body: Value) -> Self {
        Self {
            what,
            change,
            method: "PUT",
            path: path.into(),
            body,
        }
    }
}

/// The name of a template for messages, and a function that returns the template's JSON.
type TemplateFile = (&'static str, fn() -> Value);

/// Installs the resources that the cluster needs to store directives in the index of a client.
#[derive(Clone, Debug)]
pub struct Installer {
    pub(super) client: Client,
    limits: LifetimeLimitsChange,
    replicas: Option<u16>,
    template_priority: Option<u32>,
    /// The template from which the installer creates the index, from an embedded file.
    template_file: TemplateFile,
    /// Returns the template of the history's data stream, from an embedded file.
    history_file: fn() -> Value,
}

impl Installer {
    /// Creates an installer for the client's index.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            limits: LifetimeLimitsChange::default(),
            replicas: None,
            template_priority: None,
            template_file: ("index template", files::template),
            history_file: files::history_template,
        }
    }

    /// Returns an installer for the index or data stream `name`, with the given template.
    fn for_index(&self, name: &str, template_file: TemplateFile) -> Self {
        Self {
            client: self.client.with_index(name),
            template_file,
            ..self.clone()
        }
    }

    /// Sets the limits of the cluster for the lifetime of directives. A limit without a new value
    /// keeps its installed value.
    #[must_use]
    pub fn with_lifetime_limits(mut self, limits: LifetimeLimitsChange) -> Self {
        self.limits = limits;
        self
    }

    /// Sets a fixed number of replicas for the index. Without a call of `with_replicas`, a new
    /// index gets one replica as soon as the cluster has a second node (`auto_expand_replicas` is
    /// `0-1`), and an existing index keeps its number of replicas.
    #[must_use]
    pub fn with_replicas(mut self, replicas: u16) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// Sets the priority of the index template. By default, a new template has priority 500, and an
    /// existing template keeps its priority.
    #[must_use]
    pub fn with_template_priority(mut self, priority: u32) -> Self {
        self.template_priority = Some(priority);
        self
    }

    /// Returns the steps that [`install`](Self::install) would execute now, without executing them.
    ///
    /// # Errors
    /// Returns the errors of [`install`](Self::install) that can be detected before the first
    /// write.
    pub async fn plan(&self) -> Result<Vec<InstallStep>, InstallError> {
        let pipeline = self.plan_pipeline().await?;
        let template = self.plan_template().await?;
        let index = self.plan_index(&template.body["template"]).await?;
        Ok([pipeline, template].into_iter().chain(index).collect())
    }

    /// Installs all resources that are missing or outdated, verifies the index, and returns the
    /// steps.
    ///
    /// # Errors
    /// Returns an [`InstallError`] if a step fails. The installation does not undo the steps that
    /// it executed before the failed step. If the caller repeats the installation, the installation
    /// continues with the failed step.
    pub async fn install(&self) -> Result<Vec<InstallStep>, InstallError> {
        let steps = self.plan().await?;
        for step in &steps {
            self.execute(step).await?;
        }
        self.verify_index().await?;
        Ok(steps)
    }

    /// Sends the request of an installation step, unless the resource is already up to date.
    async fn execute(&self, step: &InstallStep) -> Result<(), InstallError> {
        if step.change == Change::Keep {
            return Ok(());
        }
        let method = if step.method == "POST" {
            Method::Post
        } else {
            Method::Put
        };
        let mut request = Request::new(method, step.path.clone());
        if !step.body.is_null() {
            request = request.json(step.body.to_string());
        }
        match self.client.send(request).await {
            Ok(response) => match failures_of(step, &response) {
                failures if failures.is_empty() => Ok(()),
                failures => Err(InstallError::retention_not_attached(failures)),
            },
            // Another installer has created the resource after this installation was planned, so
            // the step is done.
            Err(error) if error.exception() == Some("resource_already_exists_exception") => Ok(()),
            Err(source) => Err(InstallError::of_step(step.what, source)),
        }
    }

    /// Requests the JSON of an installed resource from the cluster. Returns `None` if the requested
    /// resource does not exist.
    pub(super) async fn fetch(
        &self,
        what: &'static str,
        request: Request,
    ) -> Result<Option<Value>, InstallError> {
        match self.client.json(request).await {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(source) => Err(InstallError::request(what, source)),
        }
    }
}

/// Describes which parts of an installation step failed although the response has status 2xx.
fn failures_of(step: &InstallStep, response: &[u8]) -> Vec<String> {
    if step.what == retention::ATTACHMENT {
        retention::failures(&serde_json::from_slice(response).unwrap_or_default())
    } else {
        Vec::new()
    }
}

/// Compares the version of an embedded file with the installed version, and returns whether the
/// resource must be created, updated or kept.
fn change(
    what: &'static str,
    ours: &Value,
    installed: Option<&Value>,
) -> Result<Change, InstallError> {
    let version = |of: &Value| of["version"].as_u64().unwrap_or_default();
    match installed {
        None => Ok(Change::Create),
        Some(installed) if version(installed) > version(ours) => {
            Err(InstallError::newer(what, version(installed), version(ours)))
        }
        Some(installed) if version(installed) == version(ours) => Ok(Change::Keep),
        Some(_) => Ok(Change::Update),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_newer_version_is_left_alone() {
        let ours = json!({ "version": 2 });
        let with = |version: u64| change("x", &ours, Some(&json!({ "version": version })));
        assert_eq!(with(1).unwrap(), Change::Update);
        assert_eq!(with(2).unwrap(), Change::Keep);
        let error = with(3).unwrap_err();
        assert_eq!(error.kind(), InstallErrorKind::Newer);
        assert!(error.to_string().contains("version 3"), "{error}");
        assert_eq!(change("x", &ours, None).unwrap(), Change::Create);
        assert_eq!(
            change("x", &ours, Some(&json!({}))).unwrap(),
            Change::Update
        );
    }
}
