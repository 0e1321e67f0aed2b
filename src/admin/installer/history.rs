//! Installs the data stream that contains the history of the index. The module also reads the state
//! of an existing history.

use std::time::Duration;

use opensearch::indices::IndicesGetParts;
use serde_json::Value;

use super::error::InstallError;
use super::retention::{POLICY, lacks_ism, retention_of};
use super::{Change, InstallStep, Installer};
use crate::history::stream_name;
use crate::http::{Method, Request, segment};

const TEMPLATE: &str = "history template";
const STREAM: &str = "history stream";
/// If this index setting is true, OpenSearch refuses to change or delete any record of the index.
const APPEND_ONLY: &str = "index.append_only.enabled";

/// The state of the history's data stream in the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct HistoryState {
    /// The name of the data stream that contains the history.
    pub stream: String,
    /// The reasons why the backing indices are unsuitable for a history; empty if all are suitable.
    pub problems: Vec<String>,
    /// How long the cluster keeps the records of the history.
    pub retention: RetentionPolicy,
}

/// How long the cluster keeps the records of a history.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RetentionPolicy {
    /// A policy of Index State Management deletes each backing index of the history this long after
    /// the last record of the backing index.
    Policy(String),
    /// There is no retention policy, so all records are kept.
    None,
    /// The cluster has no Index State Management, so it keeps all records.
    Unsupported,
    /// It is not known how long the cluster keeps the records, because the user's role does not
    /// permit reading policies.
    NotPermitted,
}

impl Installer {
    /// Returns the steps that [`install_history`](Self::install_history) would execute now, without
    /// executing them.
    ///
    /// # Errors
    /// Returns the errors of `install_history` that can be detected before the first write.
    pub async fn plan_history(
        &self,
        retention: Option<Duration>,
    ) -> Result<Vec<InstallStep>, InstallError> {
        let stream = stream_name(self.client.index());
        let indices = self.history_indices().await?;
        let mut steps = Vec::new();
        let mut attach = Vec::new();
        if let Some(retention) = retention {
            let policy = self.plan_policy(&stream, retention).await?;
            if let Some(indices) = &indices {
                attach = self.plan_attachment(&stream, &policy, indices).await?;
            }
            // ISM attaches a policy to an index when the index is created, so the policy must be
            // installed before the data stream is created.
            steps.push(policy.step);
        }
        steps.push(self.of_history(&stream).plan_template().await?);
        let path = format!("/_data_stream/{}", segment(&stream));
        let change = match indices {
            Some(_) => Change::Keep,
            None => Change::Create,
        };
        steps.push(InstallStep::put(STREAM, change, path, Value::Null));
        steps.extend(attach);
        Ok(steps)
    }

    /// Creates the append-only data stream for the history of the index, verifies it, and returns
    /// the steps. If the caller gives a retention, the method also creates a policy of Index State
    /// Management that deletes older records.
    ///
    /// # Errors
    /// Returns an error if the cluster refuses a step, or if an existing data stream is not
    /// append-only. The method also returns an error if the caller gives a retention but the
    /// cluster has no Index State Management.
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
    /// Returns an error if the cluster does not respond, or if the user's role does not permit
    /// reading the data stream.
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

    /// Requests the backing indices of the data stream, with flat settings. Returns `None` if the
    /// data stream does not exist, and an error if an index or an alias has the name of the data
    /// stream.
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

    /// Returns an installer for the index template of the history's data stream.
    fn of_history(&self, stream: &str) -> Self {
        self.for_index(stream, (TEMPLATE, self.history_file))
    }
}

/// Returns the reasons why the backing indices are unsuitable for a history, or an empty list if
/// all are suitable.
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
    use serde_json::json;

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
}
