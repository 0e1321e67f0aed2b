//! Decodes the body of an API request to the request that the agent must evaluate. If the body of
//! the API request is invalid, the error names the invalid field.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use opensearch_directives::{
    Decision, DirectiveRef, DirectiveSet, Endpoint, EndpointKind, RequestAttrs,
};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::problem::Problem;

const FIELDS: [&str; 7] = [
    "tenant",
    "index",
    "principal",
    "endpoint",
    "method",
    "path",
    "request_id",
];

/// The request to evaluate: its method and path, or its index and the class of its endpoint.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
pub(super) enum EvaluateRequest {
    ByPath(RequestByPath),
    ByIndex(RequestByIndex),
}

/// A request to OpenSearch. The agent derives the indices and the class of the endpoint.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestByPath {
    /// The tenant; absent if it is unknown.
    #[schema(nullable = false)]
    tenant: Option<String>,
    /// The method, in upper case.
    method: String,
    /// The path as the client sent it, with or without the query.
    path: String,
    /// The principal; empty if it is unknown.
    principal: String,
    /// The id of the request. The id decides whether the request is sampled.
    request_id: String,
}

/// A request with one index.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestByIndex {
    /// The tenant; absent if it is unknown.
    #[schema(nullable = false)]
    tenant: Option<String>,
    /// The name of the index; empty if the request names none.
    index: String,
    /// The principal; empty if it is unknown.
    principal: String,
    endpoint: EndpointKind,
    /// The id of the request. The id decides whether the request is sampled.
    request_id: String,
}

impl EvaluateRequest {
    /// Parses the body of an API request, or returns an error that names the invalid field. If the
    /// tenant is unknown, the client must omit the field `tenant`; the value `null` is invalid, as
    /// it is in a directive.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut object = unique_fields(body)?;
        if object.contains_key("method") || object.contains_key("path") {
            for field in ["index", "endpoint"] {
                if object.contains_key(field) {
                    let problem = "the agent derives it from method and path; omit it";
                    return Err(Problem::field(field, problem));
                }
            }
            return Ok(Self::ByPath(RequestByPath {
                tenant: string(&mut object, "tenant")?,
                method: required(&mut object, "method")?,
                path: required(&mut object, "path")?,
                principal: required(&mut object, "principal")?,
                request_id: required(&mut object, "request_id")?,
            }));
        }
        let endpoint = required(&mut object, "endpoint")?;
        Ok(Self::ByIndex(RequestByIndex {
            tenant: string(&mut object, "tenant")?,
            index: required(&mut object, "index")?,
            principal: required(&mut object, "principal")?,
            endpoint: endpoint
                .parse()
                .map_err(|error| Problem::field("endpoint", &format!("{endpoint:?} {error}")))?,
            request_id: required(&mut object, "request_id")?,
        }))
    }

    /// Evaluates the request against the set, and calls `applies` for each directive that applies.
    pub(super) fn evaluate<'a>(
        &self,
        set: &'a DirectiveSet,
        now: Timestamp,
        applies: impl FnMut(DirectiveRef<'a>),
    ) -> Decision {
        let (attrs, id) = (self.attrs(), self.request_id());
        match self {
            Self::ByPath(_) => set.evaluate_indices_with(&attrs, now, id, applies),
            Self::ByIndex(_) => set.evaluate_with(&attrs, now, id, applies),
        }
    }

    /// Returns the attributes of the request that directives can target. The path of a request can
    /// name several indices, so the attribute `index` can contain several names.
    pub(super) fn attrs(&self) -> RequestAttrs<'_> {
        let (mut attrs, tenant) = match self {
            Self::ByPath(request) => {
                let endpoint = Endpoint::of(&request.method, &request.path);
                let (index, kind) = (endpoint.index_expression(), endpoint.kind());
                (
                    RequestAttrs::new(index, &request.principal, kind),
                    &request.tenant,
                )
            }
            Self::ByIndex(request) => {
                let kind = request.endpoint;
                (
                    RequestAttrs::new(&request.index, &request.principal, kind),
                    &request.tenant,
                )
            }
        };
        attrs.tenant = tenant.as_deref();
        attrs
    }

    pub(super) fn request_id(&self) -> &str {
        match self {
            Self::ByPath(request) => &request.request_id,
            Self::ByIndex(request) => &request.request_id,
        }
    }
}

/// Returns the fields of a request body. Returns an error if the body contains an unknown field, or
/// the same field twice.
fn unique_fields(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let Pairs(pairs) = serde_json::from_slice(body)
        .map_err(|error| Problem::field("body", &format!("it is not a JSON object: {error}")))?;
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
    Ok(object)
}

/// The fields of a JSON object in their original order; a repeated field occurs repeatedly.
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
