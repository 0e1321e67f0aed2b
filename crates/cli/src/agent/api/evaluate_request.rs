//! Decodes the attributes of the request that the agent must evaluate, either from the body or from
//! the headers of the API request. If a field is invalid, the error names the field.

use std::borrow::Cow;
use std::fmt;

use axum::http::HeaderMap;
use opensearch_directives::{EndpointKind, RequestAttrs};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::problem::Problem;

const FIELDS: [&str; 5] = ["tenant", "index", "principal", "endpoint", "request_id"];

/// The attributes of the request to evaluate.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EvaluateRequest {
    /// The tenant; absent if it is unknown.
    #[schema(nullable = false)]
    tenant: Option<String>,
    index: String,
    principal: String,
    endpoint: EndpointKind,
    /// The id of the request. The id decides whether the request is sampled.
    pub(super) request_id: String,
}

impl EvaluateRequest {
    /// Parses the body, or returns an error that names the invalid field. A client must omit an
    /// unknown tenant: `null` is invalid, as in a directive.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let Pairs(pairs) = serde_json::from_slice(body).map_err(|error| {
            Problem::field("body", &format!("it is not a JSON object: {error}"))
        })?;
        let mut object = Map::new();
        for (field, value) in pairs {
            if !FIELDS.contains(&field.as_str()) {
                let problem = format!("it is not one of {}", FIELDS.join(", "));
                return Err(Problem::field(field, &problem));
            }
            if object.insert(field.clone(), value).is_some() {
                return Err(Problem::field(field, "it is repeated; send it once"));
            }
        }
        let endpoint = required(&mut object, "endpoint")?;
        Ok(Self {
            tenant: string(&mut object, "tenant")?,
            index: required(&mut object, "index")?,
            principal: required(&mut object, "principal")?,
            endpoint: parse_endpoint("endpoint", &endpoint)?,
            request_id: required(&mut object, "request_id")?,
        })
    }

    /// Reads the attributes from headers, for proxies that cannot send a body.
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        let endpoint = required_header(headers, "directives-endpoint")?;
        Ok(Self {
            tenant: header(headers, "directives-tenant")?,
            index: required_header(headers, "directives-index")?,
            principal: required_header(headers, "directives-principal")?,
            endpoint: parse_endpoint("directives-endpoint", &endpoint)?,
            request_id: required_header(headers, "x-request-id")?,
        })
    }

    pub(super) fn attrs(&self) -> RequestAttrs<'_> {
        let mut attrs = RequestAttrs::new(&self.index, &self.principal, self.endpoint);
        attrs.tenant = self.tenant.as_deref();
        attrs
    }
}

fn parse_endpoint(field: &'static str, endpoint: &str) -> Result<EndpointKind, Problem> {
    endpoint
        .parse()
        .map_err(|error| Problem::field(field, &format!("{endpoint:?} {error}")))
}

fn header(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::field(name, "it is repeated; send it once"));
    }
    // Bytes outside ASCII are decoded as UTF-8, because the documents of directives also contain
    // UTF-8.
    std::str::from_utf8(value.as_bytes())
        .map(|value| Some(value.to_owned()))
        .map_err(|_| Problem::field(name, "it is not UTF-8"))
}

fn required_header(headers: &HeaderMap, name: &'static str) -> Result<String, Problem> {
    header(headers, name)?
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Problem::field(name, "it is missing"))
}

/// The fields of a JSON object in their original order, including repeated fields.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

fn string(object: &mut Map<String, Value>, field: &'static str) -> Result<Option<String>, Problem> {
    match object.remove(field) {
        None => Ok(None),
        Some(Value::String(string)) => Ok(Some(string)),
        Some(other) => {
            let kind: Cow<'_, str> = match other {
                Value::Null => "null".into(),
                Value::Bool(_) => "a boolean".into(),
                Value::Number(_) => "a number".into(),
                Value::Array(_) => "an array".into(),
                _ => "an object".into(),
            };
            Err(Problem::field(
                field,
                &format!("it is {kind}; it must be a string"),
            ))
        }
    }
}

fn required(object: &mut Map<String, Value>, field: &'static str) -> Result<String, Problem> {
    string(object, field)?
        .ok_or_else(|| Problem::field(field, "it is missing; it must be a string"))
}
