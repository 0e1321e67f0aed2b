//! Installs a policy of Index State Management (ISM) that deletes old records of a history, and
//! attaches this policy to the existing backing indices.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::error::InstallError;
use super::{Change, InstallStep, Installer, files};
use crate::http::{Method, Request, RequestError, segment};

pub(super) const POLICY: &str = "retention policy";
pub(super) const ATTACHMENT: &str = "attachment of the retention policy";
/// If the retention is shorter than this duration, a new backing index begins each day instead of
/// each month.
const SHORT: Duration = Duration::from_secs(60 * 24 * 60 * 60);
/// The path of a request contains at most this many indices, because OpenSearch accepts a request
/// line of at most 4 kB.
const INDICES_PER_REQUEST: usize = 20;

/// The step that installs the retention policy, and the installed version of the policy.
#[derive(Debug)]
pub(super) struct PlannedPolicy {
    pub(super) step: InstallStep,
    /// The `_seq_no` and the primary term of the installed policy; `None` if the step changes the
    /// policy.
    installed: Option<(u64, u64)>,
}

impl PlannedPolicy {
    /// Returns true if ISM applies the installed version of the policy to a managed index. If ISM
    /// reports no version for the index, the index is new, and ISM will read the installed version.
    fn is_applied(&self, managed: &Value) -> bool {
        let Some((seq_no, primary_term)) = self.installed else {
            return false;
        };
        match (
            managed["policy_seq_no"].as_u64(),
            managed["policy_primary_term"].as_u64(),
        ) {
            (Some(seq), Some(term)) => (seq, term) == (seq_no, primary_term),
            _ => true,
        }
    }
}

impl Installer {
    /// Returns the installation step that installs a policy with the given retention.
    pub(super) async fn plan_policy(
        &self,
        stream: &str,
        retention: Duration,
    ) -> Result<PlannedPolicy, InstallError> {
        let mut path = format!("/_plugins/_ism/policies/{}", segment(stream));
        let age = ism_time(retention);
        let mut body = files::retention_policy();
        let policy = &mut body["policy"];
        policy["ism_template"][0]["index_patterns"] = json!([stream]);
        policy["states"][0]["transitions"][0]["conditions"]["min_rollover_age"] =
            age.clone().into();
        // The policy deletes whole backing indices, so a short retention needs backing indices that
        // each cover only a short time.
        let rollover = if retention < SHORT { "1d" } else { "30d" };
        policy["states"][0]["actions"][0]["rollover"]["min_index_age"] = rollover.into();
        policy["description"] = format!(
            "Keeps the history of the diagnostics directives for {age}: a new backing index every \
             {rollover}, and deletion of a backing index {age} after its last record."
        )
        .into();
        let installed = match self.installed_policy(stream).await {
            Ok(installed) => installed,
            Err(error) if lacks_ism(&error) => return Err(InstallError::no_ism(stream, error)),
            Err(error) => return Err(InstallError::request(POLICY, error)),
        };
        let version = installed.as_ref().map(version);
        let change = match (&installed, version) {
            (Some(installed), _) if retention_of(installed) == Some(age.as_str()) => Change::Keep,
            (Some(_), Some((seq_no, primary_term))) => {
                path = format!("{path}?if_seq_no={seq_no}&if_primary_term={primary_term}");
                Change::Update
            }
            _ => Change::Create,
        };
        Ok(PlannedPolicy {
            installed: version.filter(|_| change == Change::Keep),
            step: InstallStep::put(POLICY, change, path, body),
        })
    }

    /// Returns the steps that attach the policy to the existing backing indices. ISM itself
    /// attaches a policy only to new indices, and an existing index keeps the version of the policy
    /// that was attached to it.
    pub(super) async fn plan_attachment(
        &self,
        stream: &str,
        policy: &PlannedPolicy,
        indices: &Value,
    ) -> Result<Vec<InstallStep>, InstallError> {
        let path = format!("/_plugins/_ism/explain/{}", segment(stream));
        let explained = self
            .fetch(POLICY, Request::new(Method::Get, path))
            .await?
            .unwrap_or_default();
        let (mut unmanaged, mut outdated) = (Vec::new(), Vec::new());
        for name in indices.as_object().into_iter().flat_map(Map::keys) {
            let managed = &explained[name];
            match managed["policy_id"].as_str() {
                None => unmanaged.push(name.as_str()),
                Some(id) if id == stream && policy.is_applied(managed) => {}
                Some(_) => outdated.push(name.as_str()),
            }
        }
        let attach = |(action, names): (&'static str, Vec<&str>)| {
            let parts = names.chunks(INDICES_PER_REQUEST).map(|part| InstallStep {
                what: ATTACHMENT,
                change: Change::Update,
                method: "POST",
                path: format!("/_plugins/_ism/{action}/{}", segment(&part.join(","))),
                body: json!({ "policy_id": stream }),
            });
            parts.collect::<Vec<_>>()
        };
        let steps = [("add", unmanaged), ("change_policy", outdated)];
        Ok(steps.into_iter().flat_map(attach).collect())
    }

    pub(super) async fn installed_policy(
        &self,
        stream: &str,
    ) -> Result<Option<Value>, RequestError> {
        let path = format!("/_plugins/_ism/policies/{}", segment(stream));
        match self.client.json(Request::new(Method::Get, path)).await {
            Ok(policy) => Ok(Some(policy)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns the retention of an installed policy, such as `90d`.
pub(super) fn retention_of(policy: &Value) -> Option<&str> {
    policy["policy"]["states"][0]["transitions"][0]["conditions"]["min_rollover_age"].as_str()
}

/// Returns true if the error says that no plugin handles the path, which means that the cluster has
/// no Index State Management.
pub(super) fn lacks_ism(error: &RequestError) -> bool {
    error.status() == Some(400)
        && error
            .reason()
            .is_some_and(|reason| reason.contains("no handler found"))
}

/// Returns the `_seq_no` and the primary term of an installed policy.
fn version(policy: &Value) -> (u64, u64) {
    let number = |name: &str| policy[name].as_u64().unwrap_or_default();
    (number("_seq_no"), number("_primary_term"))
}

/// Returns the reasons why ISM did not execute a request for some of the indices. ISM responds with
/// status 200 even if it did not execute the request.
pub(super) fn failures(response: &Value) -> Vec<String> {
    if response["failures"] != true {
        return Vec::new();
    }
    let failed = response["failed_indices"].as_array();
    let failed = failed.into_iter().flatten().map(|one| {
        let text = |name: &str| one[name].as_str().unwrap_or("unknown").to_owned();
        format!("{}: {}", text("index_name"), text("reason"))
    });
    let failed: Vec<String> = failed.collect();
    if failed.is_empty() {
        return vec!["no index is named".to_owned()];
    }
    failed
}

/// Formats a duration in the format that ISM expects, such as `90d`.
fn ism_time(duration: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match duration.as_secs() {
        seconds if seconds % DAY == 0 => format!("{}d", seconds / DAY),
        seconds => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::admin::InstallErrorKind;
    use crate::config::Config;
    use crate::http::Client;

    async fn respond(server: &MockServer, verb: &str, at: &str, body: Value) {
        let response = ResponseTemplate::new(200).set_body_json(body);
        let mock = Mock::given(method(verb)).and(path(at));
        mock.respond_with(response).mount(server).await;
    }

    #[tokio::test]
    async fn a_policy_that_is_not_attached_to_every_backing_index_is_an_error() {
        let server = MockServer::start().await;
        let name = ".ds-directives-history-000001";
        let index = json!({
            "settings": { "index.append_only.enabled": "true", "index.number_of_shards": "1" },
            "mappings": { "dynamic": "strict" },
        });
        respond(
            &server,
            "GET",
            "/directives-history",
            json!({ name: index }),
        )
        .await;
        let explained = json!({ name: { "policy_id": "another" } });
        respond(
            &server,
            "GET",
            "/_plugins/_ism/explain/directives-history",
            explained,
        )
        .await;
        let done = json!({ "acknowledged": true });
        for at in [
            "/_plugins/_ism/policies/directives-history",
            "/_index_template/directives-history",
        ] {
            respond(&server, "PUT", at, done.clone()).await;
        }
        let failed = json!({
            "updated_indices": 0, "failures": true, "failed_indices": [{
                "index_name": name, "index_uuid": "I",
                "reason": "Cannot change policy while transitioning to new state",
            }],
        });
        let at = format!("/_plugins/_ism/change_policy/{name}");
        respond(&server, "POST", &at, failed).await;
        let config = Config::for_url(server.uri().parse().unwrap());
        let installer = Installer::new(Client::new(&config.cluster).unwrap());
        let retention = Some(Duration::from_secs(400 * 24 * 3600));
        let error = installer.install_history(retention).await.unwrap_err();
        assert_eq!(error.kind(), InstallErrorKind::RetentionNotAttached);
        let error = error.to_string();
        for part in [name, "Cannot change policy"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_retention_is_written_in_days_where_possible() {
        assert_eq!(ism_time(Duration::from_secs(400 * 24 * 3600)), "400d");
        assert_eq!(ism_time(Duration::from_secs(36 * 3600)), "129600s");
    }
}
