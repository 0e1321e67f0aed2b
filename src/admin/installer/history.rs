//! Installs the data stream that contains the history of the index, and the policy that deletes old
//! records.

use std::time::Duration;

use opensearch::indices::{IndicesGetParts, IndicesPutIndexTemplateParts};
use serde_json::{Value, json};

use super::error::InstallError;
use super::template::set_replicas;
use super::{Change, InstallStep, Installer, change, files};
use crate::history::stream_name;
use crate::http::{Method, Request, RequestError, segment};

const TEMPLATE: &str = "history template";
const STREAM: &str = "history stream";
const POLICY: &str = "retention policy";
/// The setting that refuses every edit and deletion of a record.
const APPEND_ONLY: &str = "index.append_only.enabled";
/// If the retention is shorter than this, a new backing index begins each day instead of each
/// month.
const SHORT: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// The state of the history's data stream in the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct HistoryState {
    /// The name of the data stream.
    pub stream: String,
    /// Descriptions of what makes the backing indices unsuitable.
    pub problems: Vec<String>,
    /// How long records are retained.
    pub retention: RetentionPolicy,
}

/// Whether records of the history are deleted, and after which time.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RetentionPolicy {
    /// A policy of Index State Management deletes each backing index this long after the last
    /// record in it.
    Policy(String),
    /// There is no policy, so all records are retained.
    None,
    /// The cluster has no Index State Management.
    Unsupported,
    /// The role may not read policies.
    NotPermitted,
}

impl Installer {
    /// Returns the steps that [`install_history`](Self::install_history) would execute now. No step
    /// is executed.
    ///
    /// # Errors
    /// Fails like `install_history`, as far as an error can be detected before a write.
    pub async fn plan_history(
        &self,
        retention: Option<Duration>,
    ) -> Result<Vec<InstallStep>, InstallError> {
        let stream = stream_name(self.client.index());
        let exists = self.history_indices().await?.is_some();
        let mut steps = Vec::new();
        if let Some(retention) = retention {
            // ISM attaches a policy to an index when the index is created, so the policy comes first.
            steps.push(self.plan_policy(&stream, retention).await?);
        }
        steps.push(self.plan_history_template(&stream).await?);
        let path = format!("/_data_stream/{}", segment(&stream));
        let change = if exists { Change::Keep } else { Change::Create };
        steps.push(InstallStep::put(STREAM, change, path, Value::Null));
        let is_new_policy = |step: &InstallStep| step.what == POLICY && step.change != Change::Keep;
        if exists && steps.iter().any(is_new_policy) {
            steps.push(InstallStep {
                what: POLICY,
                change: Change::Update,
                method: "POST",
                path: format!("/_plugins/_ism/add/{}", segment(&stream)),
                body: json!({ "policy_id": stream }),
            });
        }
        Ok(steps)
    }

    /// Creates the append-only data stream for the history of the index, verifies it, and returns
    /// the steps. If a retention is given, also creates a policy of Index State Management that
    /// deletes older records.
    ///
    /// # Errors
    /// Fails if the cluster refuses a step, if an existing stream is not append-only, or if a
    /// retention is given and the cluster has no Index State Management.
    pub async fn install_history(
        &self,
        retention: Option<Duration>,
    ) -> Result<Vec<InstallStep>, InstallError> {
        let steps = self.plan_history(retention).await?;
        for step in &steps {
            self.execute(step).await?;
        }
        let stream = stream_name(self.client.index());
        let problems = match self.history_indices().await? {
            Some(indices) => problems(&indices),
            None => vec!["it does not exist".to_owned()],
        };
        if problems.is_empty() {
            Ok(steps)
        } else {
            Err(InstallError::history(&stream, problems))
        }
    }

    /// Returns the state of the history; `None` if the index has no history.
    ///
    /// # Errors
    /// Fails if the cluster does not respond, or if the role may not read the stream.
    pub async fn history_state(&self) -> Result<Option<HistoryState>, InstallError> {
        let Some(indices) = self.history_indices().await? else {
            return Ok(None);
        };
        let stream = stream_name(self.client.index());
        let retention = match self.installed_policy(&stream).await {
            Ok(Some(policy)) => {
                let age = retention_of(&policy).unwrap_or("an unknown time");
                RetentionPolicy::Policy(age.to_owned())
            }
            Ok(None) => RetentionPolicy::None,
            Err(error) if lacks_ism(&error) => RetentionPolicy::Unsupported,
            Err(error) if matches!(error.status(), Some(401 | 403)) => {
                RetentionPolicy::NotPermitted
            }
            Err(error) => return Err(InstallError::request(POLICY, error)),
        };
        Ok(Some(HistoryState {
            stream,
            problems: problems(&indices),
            retention,
        }))
    }

    /// Requests the backing indices with flat settings. Returns `None` if the data stream does not
    /// exist, and an error if something else has its name.
    async fn history_indices(&self) -> Result<Option<Value>, InstallError> {
        let stream = stream_name(self.client.index());
        let path = IndicesGetParts::Index(&[&stream]).url();
        let request = Request::new(Method::Get, path).query("flat_settings", "true");
        let indices = self.fetch(STREAM, request).await?;
        match indices {
            Some(indices) if indices.get(&stream).is_some() => Err(InstallError::history(
                &stream,
                vec!["an ordinary index has this name".to_owned()],
            )),
            indices => Ok(indices),
        }
    }

    async fn plan_history_template(&self, stream: &str) -> Result<InstallStep, InstallError> {
        let path = IndicesPutIndexTemplateParts::Name(stream).url();
        let installed = self
            .fetch(TEMPLATE, Request::new(Method::Get, path.clone()))
            .await?;
        let installed = installed
            .as_ref()
            .map(|response| &response["index_templates"][0]["index_template"]);
        let mut body = files::history_template();
        body["index_patterns"] = json!([stream]);
        let kept = installed.and_then(|installed| installed["priority"].as_u64());
        if let Some(priority) = self.template_priority.map(u64::from).or(kept) {
            body["priority"] = priority.into();
        }
        if let Some(replicas) = self.replicas {
            set_replicas(&mut body["template"]["settings"], &replicas.to_string());
        }
        let change = change(TEMPLATE, &body, installed)?;
        Ok(InstallStep::put(TEMPLATE, change, path, body))
    }

    async fn plan_policy(
        &self,
        stream: &str,
        retention: Duration,
    ) -> Result<InstallStep, InstallError> {
        let mut path = format!("/_plugins/_ism/policies/{}", segment(stream));
        let age = ism_time(retention);
        let mut body = files::retention_policy();
        let policy = &mut body["policy"];
        policy["ism_template"][0]["index_patterns"] = json!([stream]);
        policy["states"][0]["transitions"][0]["conditions"]["min_rollover_age"] =
            age.clone().into();
        // The policy deletes whole backing indices, so a short retention needs backing indices that
        // each cover a short time.
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
        let change = match installed {
            None => Change::Create,
            Some(installed) => {
                if retention_of(&installed) == Some(age.as_str()) {
                    Change::Keep
                } else {
                    let number = |name: &str| installed[name].as_u64().unwrap_or_default();
                    path = format!(
                        "{path}?if_seq_no={}&if_primary_term={}",
                        number("_seq_no"),
                        number("_primary_term")
                    );
                    Change::Update
                }
            }
        };
        Ok(InstallStep::put(POLICY, change, path, body))
    }

    async fn installed_policy(&self, stream: &str) -> Result<Option<Value>, RequestError> {
        let path = format!("/_plugins/_ism/policies/{}", segment(stream));
        match self.client.json(Request::new(Method::Get, path)).await {
            Ok(policy) => Ok(Some(policy)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns the retention of an installed policy.
fn retention_of(policy: &Value) -> Option<&str> {
    policy["policy"]["states"][0]["transitions"][0]["conditions"]["min_rollover_age"].as_str()
}

/// Whether the error shows that the cluster has no Index State Management: no plugin handles the
/// path.
fn lacks_ism(error: &RequestError) -> bool {
    error.status() == Some(400)
        && error
            .reason()
            .is_some_and(|reason| reason.contains("no handler found"))
}

/// Formats a duration in the format of OpenSearch.
fn ism_time(duration: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match duration.as_secs() {
        seconds if seconds % DAY == 0 => format!("{}d", seconds / DAY),
        seconds => format!("{seconds}s"),
    }
}

/// Returns descriptions of what makes the backing indices unsuitable for a history.
fn problems(indices: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, index) in indices.as_object().into_iter().flatten() {
        let settings = &index["settings"];
        if settings[APPEND_ONLY] != "true" {
            problems.push(format!(
                "{APPEND_ONLY} of {name} is not true, so its records can be edited"
            ));
        }
        if settings["index.number_of_shards"] != "1" {
            problems.push(format!("{name} has several shards"));
        }
        if index["mappings"]["dynamic"] != "strict" {
            problems.push(format!("the mapping of {name} is not strict"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backing_index_that_permits_edits_is_a_problem() {
        let fits = json!({
            "settings": { APPEND_ONLY: "true", "index.number_of_shards": "1" },
            "mappings": { "dynamic": "strict" },
        });
        assert!(problems(&json!({ ".ds-1": fits })).is_empty());
        for (pointer, value) in [
            ("/settings/index.append_only.enabled", json!("false")),
            ("/settings/index.number_of_shards", json!("2")),
            ("/mappings/dynamic", json!("true")),
        ] {
            let mut other = fits.clone();
            if let Some(field) = other.pointer_mut(pointer) {
                *field = value;
            }
            let problems = problems(&json!({ ".ds-1": fits, ".ds-2": other }));
            assert_eq!(problems.len(), 1, "{pointer}: {problems:?}");
            assert!(problems.iter().all(|problem| problem.contains(".ds-2")));
        }
    }

    #[test]
    fn a_retention_is_written_in_days_where_possible() {
        assert_eq!(ism_time(Duration::from_secs(400 * 24 * 3600)), "400d");
        assert_eq!(ism_time(Duration::from_secs(36 * 3600)), "129600s");
    }
}
