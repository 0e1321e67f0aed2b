//! Resolves the configured name (an index or an alias) to exactly one concrete index.

use std::collections::HashMap;
use std::time::Duration;

use opensearch::indices::IndicesGetSettingsParts;
use serde::Deserialize;

use super::poll_session::Session;
use super::read_error::{ReadError, ReadFailure};
use crate::http::{Method, Request, malformed};

/// The concrete index from which a poll reads the documents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ConcreteIndex {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) shards: u32,
    /// The interval between two refreshes of the index, which make writes visible to searches;
    /// `None` if the index refreshes only on request.
    pub(crate) refresh_interval: Option<Duration>,
}

impl ConcreteIndex {
    /// Returns the name and the uuid of the concrete index.
    pub(crate) fn identity(&self) -> (&str, &str) {
        (&self.name, &self.uuid)
    }
}

/// The response to `GET /{index}/_settings?flat_settings=true`, keyed by the name of the concrete
/// index.
type Response = HashMap<String, IndexSettings>;

#[derive(Debug, Deserialize)]
struct IndexSettings {
    settings: Settings,
}

#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(rename = "index.uuid")]
    uuid: String,
    #[serde(rename = "index.number_of_shards")]
    shards: String,
    #[serde(rename = "index.refresh_interval")]
    refresh_interval: Option<String>,
}

/// The names of the index settings that the client requests.
const SETTINGS: [&str; 3] = [
    "index.uuid",
    "index.number_of_shards",
    "index.refresh_interval",
];

impl Session {
    /// Requests the concrete index to which the configured name currently refers.
    pub(crate) async fn resolve_index(&self) -> Result<ConcreteIndex, ReadError> {
        let path = IndicesGetSettingsParts::IndexName(&[self.index_name()], &SETTINGS).url();
        let request = Request::new(Method::Get, path)
            .with_small_response()
            .query("flat_settings", "true");
        let operation = request.operation();
        let body = self.send(request).await?;
        let mut response: Response = serde_json::from_slice(&body)
            .map_err(|error| self.failed(malformed(operation.clone(), error)))?;
        if response.len() != 1 {
            return Err(self.error(ReadFailure::NotOneIndex {
                indices: response.into_keys().collect(),
            }));
        }
        let (name, IndexSettings { settings }) = response.drain().next().ok_or_else(|| {
            self.failed(malformed(operation.clone(), "the response names no index"))
        })?;
        let shards = settings
            .shards
            .parse()
            .map_err(|error| self.failed(malformed(operation, error)))?;
        Ok(ConcreteIndex {
            name,
            uuid: settings.uuid,
            shards,
            refresh_interval: refresh_interval(settings.refresh_interval.as_deref()),
        })
    }
}

/// Parses a refresh interval in the format of the index settings, such as `1s`, `500ms` or `-1`. If
/// the index has no setting for the refresh interval, the interval is one second, the server's
/// default.
fn refresh_interval(text: Option<&str>) -> Option<Duration> {
    let Some(text) = text else {
        return Some(Duration::from_secs(1));
    };
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text.get(..digits)?.parse().ok()?;
    Some(match text.get(digits..)? {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        "h" => Duration::from_secs(number.saturating_mul(3600)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_interval_is_parsed_in_the_format_of_the_settings() {
        let seconds = |n| Some(Duration::from_secs(n));
        for (text, interval) in [
            (None, seconds(1)),
            (Some("1s"), seconds(1)),
            (Some("250ms"), Some(Duration::from_millis(250))),
            (Some("2m"), seconds(120)),
            (Some("1h"), seconds(3600)),
            (Some("-1"), None),
            (Some("s"), None),
            (Some("5"), None),
            (Some("1fortnight"), None),
        ] {
            assert_eq!(refresh_interval(text), interval, "{text:?}");
        }
    }
}
