//! Imports the dashboards of this project into OpenSearch Dashboards, adapted to the name of the
//! index.

use serde_json::Value;

use super::error::InstallError;
use super::{Installer, files};
use crate::http::{Client, Method, Request};

/// The name of the index in the file.
const INDEX_IN_FILE: &str = "directives";
/// The boundary between the parts of the form. It does not occur in the file.
const BOUNDARY: &str = "opensearch-directives-saved-objects";

impl Installer {
    /// Imports the saved objects into OpenSearch Dashboards. `dashboards` is a client for its
    /// address. Objects with the same ids are replaced. Returns the number of imported objects.
    ///
    /// # Errors
    /// [`InstallError`], also if only some of the objects were imported.
    pub async fn import_dashboards(&self, dashboards: &Client) -> Result<u64, InstallError> {
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
        let response: Value = dashboards
            .json(request)
            .await
            .map_err(|source| InstallError::request("dashboards", source))?;
        if response["success"] != true {
            return Err(InstallError::dashboards(response["errors"].to_string()));
        }
        Ok(response["successCount"].as_u64().unwrap_or_default())
    }

    /// Returns the saved objects for the client's index, as NDJSON.
    #[must_use]
    pub fn saved_objects(&self) -> String {
        let title = |index: &str| format!("\"title\":\"{index}\",\"timeFieldName\"");
        let plain = |index: &str| format!("\"attributes\":{{\"title\":\"{index}\"}}");
        files::DASHBOARDS_NDJSON
            .replace(&title(INDEX_IN_FILE), &title(self.client.index()))
            .replace(&plain(INDEX_IN_FILE), &plain(self.client.index()))
    }
}
