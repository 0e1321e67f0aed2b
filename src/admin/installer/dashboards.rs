//! Imports the saved objects into OpenSearch Dashboards. If the import fails, the error says
//! whether the address or the login is wrong.

use serde::Deserialize;
use serde_json::Value;

use super::error::InstallError;
use super::{Installer, saved_objects};
use crate::http::{Client, Method, Request, RequestError, RequestErrorKind};

/// The text that separates the parts of the multipart form in an import request. The file of saved
/// objects must not contain the boundary of the multipart form.
const BOUNDARY: &str = "opensearch-directives-saved-objects";

/// The path of the import API, relative to the address of OpenSearch Dashboards.
const IMPORT: &str = "/api/saved_objects/_import";

/// The response of OpenSearch Dashboards to an import request. Only OpenSearch Dashboards sends a
/// response with the field `success`, so the field identifies the server.
#[derive(Deserialize)]
struct Imported {
    success: bool,
    #[serde(rename = "successCount", default)]
    objects: u64,
    #[serde(default)]
    errors: Value,
}

impl Installer {
    /// Imports the saved objects into OpenSearch Dashboards, and returns the number of imported
    /// objects. The URL of the client `dashboards` must be the address of OpenSearch Dashboards,
    /// with the base path and the workspace (`/w/ID`), if there are any. If the caller names no
    /// tenant, OpenSearch Dashboards selects the tenant of the user. If objects with the same ids
    /// exist in OpenSearch Dashboards, the import replaces them.
    ///
    /// # Errors
    /// Returns an [`InstallError`] if at least one object was not imported, even if other objects
    /// were imported.
    pub async fn import_dashboards(
        &self,
        dashboards: &Client,
        tenant: Option<&str>,
    ) -> Result<u64, InstallError> {
        let objects = self.saved_objects();
        let body = format!(
            "--{BOUNDARY}\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"directives.ndjson\"\r\n\
             Content-Type: application/ndjson\r\n\r\n\
             {objects}\r\n--{BOUNDARY}--\r\n"
        );
        let mut request = Request::new(Method::Post, IMPORT)
            .query("overwrite", "true")
            .header("osd-xsrf", "true")
            .body(format!("multipart/form-data; boundary={BOUNDARY}"), body);
        if let Some(tenant) = tenant {
            request = request.header("securitytenant", tenant);
        }
        let imported = dashboards.json::<Imported>(request).await;
        let imported = imported.map_err(|source| match problem(&source) {
            Some(problem) => InstallError::dashboards_address(problem, source),
            None => InstallError::request("dashboards", source),
        })?;
        if imported.success {
            Ok(imported.objects)
        } else {
            Err(InstallError::dashboards(imported.errors.to_string()))
        }
    }

    /// Returns the path at which OpenSearch Dashboards shows the imported dashboard, relative to
    /// the address of OpenSearch Dashboards.
    #[must_use]
    pub fn dashboard_path(&self) -> String {
        let id = saved_objects::dashboard_id(self.client.index());
        format!("/app/dashboards#/view/{id}")
    }

    /// Returns the saved objects for the client's index as NDJSON, which OpenSearch Dashboards can
    /// import. The id of each saved object begins with the name of the index.
    #[must_use]
    pub fn saved_objects(&self) -> String {
        saved_objects::saved_objects(self.client.index())
    }
}

/// Returns what is wrong with the address of OpenSearch Dashboards or with the login, if the error
/// shows this. Returns `None` if no server responded, or if OpenSearch Dashboards itself refused
/// the import.
fn problem(error: &RequestError) -> Option<&'static str> {
    const ADDRESS: &str = "this is not OpenSearch Dashboards, or its base path is missing; give \
                           its address as a browser shows it, up to and without /app";
    const LOGIN: &str = "OpenSearch Dashboards requires a login; give the user and the password of \
                         the cluster (--username, --password-file), or a token that it accepts";
    let text = error.to_string().to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match (error.kind(), error.status()) {
        (RequestErrorKind::Redirect, _) if says(&["login", "/auth", "/sso"]) => Some(LOGIN),
        (_, Some(401)) => Some(LOGIN),
        (RequestErrorKind::Redirect | RequestErrorKind::Malformed, _) | (_, Some(404 | 405)) => {
            Some(ADDRESS)
        }
        // An OpenSearch node has no import API, so it responds with `no handler found`.
        (_, Some(400)) if says(&["no handler found"]) => Some(ADDRESS),
        _ => None,
    }
}
