//! Requests the mapping of the index, to find out whether field-level security hides a field from
//! the user. The security plugin omits hidden fields from the mapping that it returns to the user.

use std::collections::HashMap;

use opensearch::indices::IndicesGetMappingParts;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tracing::debug;

use super::index_resolution::ConcreteIndex;
use super::poll_session::Session;
use super::read_error::ReadError;
use crate::http::{Method, Request};

/// The first version of this project's mapping that lists all fields of a stored document except
/// `signatures`.
const FIRST_EXPLICIT_VERSION: u64 = 2;
/// The first version of this project's mapping that contains the field `signatures`.
const FIRST_SIGNED_VERSION: u64 = 3;

/// The response to `GET /{index}/_mapping`, keyed by the name of the concrete index.
type Response = HashMap<String, IndexMapping>;

#[derive(Debug, Deserialize)]
struct IndexMapping {
    mappings: Mapping,
}

#[derive(Debug, Deserialize)]
struct Mapping {
    #[serde(rename = "_meta")]
    meta: Option<Meta>,
    #[serde(default)]
    #[expect(
        clippy::zero_sized_map_values,
        reason = "a set cannot skip the values of an object"
    )]
    properties: HashMap<String, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Meta {
    version: Option<u64>,
}

impl Mapping {
    fn hides(&self, field: &str) -> bool {
        let version = self.meta.as_ref().and_then(|meta| meta.version);
        let first = match field {
            "signatures" => FIRST_SIGNED_VERSION,
            _ => FIRST_EXPLICIT_VERSION,
        };
        version >= Some(first) && !self.properties.contains_key(field)
    }
}

impl Session {
    /// Returns the first of `fields` that the server hides from the user of this client. A field is
    /// hidden if the project's mapping contains the field, but the mapping in the response does
    /// not. Returns `None` if no field is hidden, or if the response does not show whether a field
    /// is hidden.
    ///
    /// # Errors
    /// Returns an error if no node responded to the request for the mapping. A refusal of the
    /// request for the mapping is not an error, because the role may not permit reading the
    /// mapping.
    pub(crate) async fn hidden_field<'a>(
        &self,
        index: &ConcreteIndex,
        fields: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<&'a str>, ReadError> {
        let path = IndicesGetMappingParts::Index(&[&index.name]).url();
        let request = Request::new(Method::Get, path).with_small_response();
        let body = match self.try_send(request).await {
            Ok(body) => body,
            Err(error) if error.is_unreachable() => return Err(self.failed(error)),
            Err(error) => {
                debug!(%error, "cannot read the mapping, so hidden fields are detected only by comparing documents");
                return Ok(None);
            }
        };
        let Ok(mut response) = serde_json::from_slice::<Response>(&body) else {
            return Ok(None);
        };
        let mapping = response.remove(&index.name).map(|index| index.mappings);
        Ok(mapping.and_then(|mapping| fields.into_iter().find(|field| mapping.hides(field))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_a_mapping_of_the_stored_form_shows_that_a_field_is_hidden() {
        for (mapping, hides) in [
            (r#"{"_meta":{"version":2},"properties":{"level":{}}}"#, true),
            (r#"{"_meta":{"version":3}}"#, true),
            (
                r#"{"_meta":{"version":2},"properties":{"tenant":{}}}"#,
                false,
            ),
            (
                r#"{"_meta":{"version":1},"properties":{"level":{}}}"#,
                false,
            ),
            (r#"{"_meta":{},"properties":{"level":{}}}"#, false),
            (r#"{"properties":{"level":{}}}"#, false),
        ] {
            let parsed: Mapping = serde_json::from_str(mapping).unwrap();
            assert_eq!(parsed.hides("tenant"), hides, "{mapping}");
        }
        for (mapping, hides) in [
            (r#"{"_meta":{"version":2}}"#, false),
            (r#"{"_meta":{"version":3}}"#, true),
            (
                r#"{"_meta":{"version":3},"properties":{"signatures":{}}}"#,
                false,
            ),
        ] {
            let parsed: Mapping = serde_json::from_str(mapping).unwrap();
            assert_eq!(parsed.hides("signatures"), hides, "{mapping}");
        }
    }
}
