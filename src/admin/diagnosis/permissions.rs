//! Finds out which permissions the user has. The module sends one harmless request for each
//! permission that a command or an agent needs.

use serde_json::{Value, json};

use crate::admin::install_roles::roles_that_permit;
use crate::admin::{DirectivesApi, WriteError};
use crate::http::{Method, Request, RequestError, segment};
use crate::rest::PIPELINE;

/// The document id in each test write, which is a write that only tests a permission. A test write
/// never creates a document, because it requires a version that does not exist.
const PROBE_ID: &str = "directives-doctor";

/// A permission that a command or an agent needs, and whether the user has it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Permission {
    /// The operation that needs the permission, such as `apply directives`.
    pub operation: &'static str,
    /// The name of the permission in the security plugin, such as `indices:data/write/index`.
    pub action: &'static str,
    /// Whether a client that only reads directives needs the permission.
    pub is_for_reading: bool,
    /// The names of those roles from `directives init --roles` that contain the permission.
    pub roles: Vec<String>,
    /// Whether the user has the permission.
    pub is_granted: bool,
}

impl DirectivesApi {
    /// Tests whether the user has each of the permissions that a command or an agent needs.
    ///
    /// A test write, which only tests a permission, requires a version that no document has.
    /// OpenSearch first checks the permission for a test write, and then refuses the write because
    /// of a version conflict. A write that the cluster refused consumes no `_seq_no`.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, or if the index does not exist.
    pub async fn permissions(&self) -> Result<Vec<Permission>, WriteError> {
        let index = segment(self.index());
        let mut all = Vec::new();
        for (operation, action, is_for_reading, request) in reads(&index, self.index()) {
            let is_granted = self.try_request(request).await?;
            all.push(self.permission(operation, action, is_for_reading, is_granted));
        }
        let writes = self.try_writes().await?;
        for ((operation, action), is_granted) in WRITES.into_iter().zip(writes) {
            all.push(self.permission(operation, action, false, is_granted));
        }
        Ok(all)
    }

    fn permission(
        &self,
        operation: &'static str,
        action: &'static str,
        is_for_reading: bool,
        is_granted: bool,
    ) -> Permission {
        Permission {
            operation,
            action,
            is_for_reading,
            roles: roles_that_permit(action, self.index()),
            is_granted,
        }
    }

    /// Sends a request that only tests a permission, and returns true if the cluster permitted it.
    /// A multi-get can succeed although the cluster refuses its items, so the method also checks
    /// the first item of the response.
    async fn try_request(&self, request: Request) -> Result<bool, WriteError> {
        match self.client.json::<Value>(request).await {
            Ok(response) => Ok(!is_forbidden(&response["docs"][0]["error"])),
            Err(error) if is_refusal(&error) => Ok(false),
            Err(error) if error.is_unreachable() || error.is_index_not_found() => {
                Err(self.failed(error).await)
            }
            // If OpenSearch reports an error other than a refusal, it has already checked the
            // permission, so the user has the permission.
            Err(_) => Ok(true),
        }
    }

    /// Sends each write of [`WRITES`], and returns for each whether the cluster permitted it. Each
    /// write of [`WRITES`] is a separate request, because the security plugin refuses a whole bulk
    /// request if one action in it is forbidden.
    async fn try_writes(&self) -> Result<[bool; 3], WriteError> {
        // If a server ignored the required version, it would store the directive of the test write.
        // Even a stored directive of a test write would be harmless, because it records nothing and
        // expires after a second.
        let draft =
            json!({ "level": "Off", "tenant": PROBE_ID, "sample_per_mille": 0, "ttl_secs": 1 });
        let update = json!({ "doc": { "revoked": true } });
        Ok([
            self.try_write("index", Some(&draft)).await?,
            self.try_write("update", Some(&update)).await?,
            self.try_write("delete", None).await?,
        ])
    }

    async fn try_write(&self, name: &str, source: Option<&Value>) -> Result<bool, WriteError> {
        let action = json!({ name: {
            "_index": self.index(), "_id": PROBE_ID,
            "if_seq_no": i64::MAX, "if_primary_term": 1,
        }});
        let source = source
            .map(|source| format!("{source}\n"))
            .unwrap_or_default();
        let body = format!("{action}\n{source}");
        let request = Request::new(Method::Post, "/_bulk").body("application/x-ndjson", body);
        match self.client.json::<Value>(request).await {
            Ok(bulk) => Ok(!is_forbidden(&bulk["items"][0][name]["error"])),
            Err(error) if is_refusal(&error) => Ok(false),
            Err(error) => Err(self.failed(error).await),
        }
    }
}

/// The operation and the permission that each test write checks, in the order in which the writes
/// are sent.
const WRITES: [(&str, &str); 3] = [
    (
        "apply, extend and edit directives",
        "indices:data/write/index",
    ),
    ("revoke directives", "indices:data/write/update"),
    ("delete directives", "indices:data/write/delete"),
];

type Read = (&'static str, &'static str, bool, Request);

/// Returns harmless requests that test the permissions for reading. Each entry of the result
/// contains the request, the operation and the permission that the request tests, and whether a
/// client that only reads directives needs this permission.
fn reads(index: &str, name: &str) -> [Read; 7] {
    let get = |path: String| Request::new(Method::Get, path);
    let post = |path: String, body: &Value| Request::new(Method::Post, path).json(body.to_string());
    let draft = json!({ "level": "Off", "tenant": PROBE_ID, "ttl_secs": 60 });
    [
        (
            "list directives and poll them",
            "indices:data/read/search",
            true,
            post(format!("/{index}/_search"), &json!({ "size": 0 })),
        ),
        (
            "read directives by id",
            "indices:data/read/mget*",
            true,
            post(
                "/_mget".to_owned(),
                &json!({ "docs": [{ "_index": name, "_id": PROBE_ID }] }),
            ),
        ),
        (
            "resolve the index",
            "indices:monitor/settings/get",
            true,
            get(format!("/{index}/_settings/index.uuid")),
        ),
        (
            "poll at the lowest cost",
            "indices:monitor/stats",
            false,
            get(format!("/{index}/_stats/docs")),
        ),
        (
            "notice hidden fields",
            "indices:admin/mappings/get",
            false,
            get(format!("/{index}/_mapping")),
        ),
        (
            "measure the clock skew",
            "cluster:monitor/nodes/stats",
            false,
            get("/_nodes/_local/stats/os".to_owned()).query("filter_path", "nodes.*.timestamp"),
        ),
        (
            "validate drafts by the pipeline",
            "cluster:admin/ingest/pipeline/simulate",
            false,
            post(
                format!("/_ingest/pipeline/{PIPELINE}/_simulate"),
                &json!({ "docs": [{ "_index": name, "_id": PROBE_ID, "_source": draft }] }),
            ),
        ),
    ]
}

fn is_refusal(error: &RequestError) -> bool {
    matches!(error.status(), Some(401 | 403))
}

/// Returns true if `error`, from one item of a response, reports a missing permission.
fn is_forbidden(error: &Value) -> bool {
    error["type"] == "security_exception"
}
