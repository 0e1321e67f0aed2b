//! Requests the settings of the index (shards, replicas, refresh interval) and its health. Also
//! requests the number of zones across which the cluster balances the copies of a shard.

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
    /// The number of primary shards. An index of directives should have exactly one primary shard.
    pub shards: Option<u32>,
    /// The number of replicas.
    pub replicas: Option<u32>,
    /// Whether the cluster adjusts the number of replicas to the number of nodes.
    pub expands_replicas: bool,
    /// The refresh interval, such as `1s`; `-1` means that the index never refreshes by itself.
    pub refresh_interval: Option<String>,
}

/// The health of the index, and the placement of its shards.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct IndexHealth {
    /// The health status: `green`, `yellow` or `red`.
    pub status: String,
    /// The number of shard copies that are assigned to no node.
    pub unassigned_shards: u32,
    /// The number of data nodes in the cluster.
    pub number_of_data_nodes: u32,
}

impl DirectivesApi {
    /// Returns the settings of the index that concern its shards.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, or if the role does not permit reading the
    /// settings.
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

    /// Returns the health of the index, and the placement of its shards.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, or if the role does not permit
    /// `cluster:monitor/health`.
    pub async fn index_health(&self) -> Result<IndexHealth, WriteError> {
        let path = format!("/_cluster/health/{}", segment(self.index()));
        self.json(Request::new(Method::Get, path)).await
    }

    /// Returns the number of zones across which the cluster balances the copies of a shard. Returns
    /// `None` if the cluster does not balance copies across zones.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, or if the role does not permit reading the
    /// cluster's settings.
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

/// Returns the elements of a setting whose value is a list or a comma-separated string.
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
