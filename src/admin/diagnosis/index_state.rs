//! Requests the settings of the index (shards, replicas, refresh interval) and its health. The
//! module also requests the number of zones across which the cluster balances the copies of a
//! shard.

use serde::Deserialize;
use serde_json::Value;

use crate::admin::{DirectivesApi, WriteError};
use crate::http::{Method, Request, segment};

/// The settings of the index that concern its shards and their refreshes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct IndexState {
    /// The name of the concrete index, even if the configured name is an alias.
    pub name: String,
    /// The number of primary shards, which should be 1 for an index of directives; `None` if the
    /// response contains no number.
    pub shards: Option<u32>,
    /// The number of replicas of each primary shard; `None` if the response contains no number.
    pub replicas: Option<u32>,
    /// Whether the cluster adjusts the number of replicas to the number of nodes
    /// (`auto_expand_replicas`).
    pub expands_replicas: bool,
    /// The refresh interval, such as `1s`; `-1` means that the index never refreshes by itself.
    pub refresh_interval: Option<String>,
}

/// The health of the index, the number of its unassigned shard copies, and the number of data
/// nodes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct IndexHealth {
    /// The health status of the index, which is `green`, `yellow` or `red`.
    pub status: String,
    /// The number of the index's shard copies that the cluster has assigned to no node.
    pub unassigned_shards: u32,
    /// The number of data nodes in the cluster.
    pub number_of_data_nodes: u32,
}

impl DirectivesApi {
    /// Returns the settings of the index that concern its shards.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, or if the user's role does not permit
    /// reading the settings.
    pub async fn index_state(&self) -> Result<IndexState, WriteError> {
        let path = format!("/{}/_settings", segment(self.index()));
        let request = Request::new(Method::Get, path).query("flat_settings", "true");
        let settings: Value = self.json(request).await?;
        let Some((name, index)) = settings.as_object().and_then(|all| all.iter().next()) else {
            return Ok(IndexState::default());
        };
        let text = |key: &str| index["settings"][key].as_str();
        let number = |key: &str| text(key).and_then(|text| text.parse().ok());
        Ok(IndexState {
            name: name.clone(),
            shards: number("index.number_of_shards"),
            replicas: number("index.number_of_replicas"),
            expands_replicas: text("index.auto_expand_replicas")
                .is_some_and(|text| text != "false"),
            refresh_interval: text("index.refresh_interval").map(str::to_owned),
        })
    }

    /// Returns the health of the index and the number of its unassigned shard copies.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, or if the user's role does not permit
    /// `cluster:monitor/health`.
    pub async fn index_health(&self) -> Result<IndexHealth, WriteError> {
        let path = format!("/_cluster/health/{}", segment(self.index()));
        self.json(Request::new(Method::Get, path)).await
    }

    /// Returns the number of zones across which the cluster balances the copies of a shard. Returns
    /// `None` if the cluster does not balance copies across zones.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, or if the user's role does not permit
    /// reading the cluster's settings.
    pub async fn balanced_zones(&self) -> Result<Option<u32>, WriteError> {
        const AWARENESS: &str = "cluster.routing.allocation.awareness";
        let request = Request::new(Method::Get, "/_cluster/settings")
            .query("flat_settings", "true")
            .query("include_defaults", "true");
        let settings: Value = self.json(request).await?;
        let value = |key: &str| {
            ["transient", "persistent", "defaults"]
                .into_iter()
                .find_map(|group| settings[group].get(format!("{AWARENESS}.{key}")))
        };
        if value("balance").and_then(Value::as_str) != Some("true") {
            return Ok(None);
        }
        let attributes = texts(value("attributes"));
        let zones = attributes.iter().map(|attribute| {
            let values = texts(value(&format!("force.{attribute}.values")));
            u32::try_from(values.len()).unwrap_or(u32::MAX)
        });
        Ok(zones.max().filter(|zones| *zones > 0))
    }
}

/// Splits a setting into its elements; the value of the setting is a list or a comma-separated
/// string.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => {
            let texts = list.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        Some(Value::String(text)) => {
            let texts = text.split(',').map(str::trim);
            texts
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .collect()
        }
        _ => Vec::new(),
    }
}
