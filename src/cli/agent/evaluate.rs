//! What a client asks of `POST /v1/evaluate`, field by field.

use std::borrow::Cow;

use opensearch_directives::{EndpointKind, RequestAttrs};
use serde_json::{Map, Value};

use super::problem::Problem;

const FIELDS: [&str; 5] = ["tenant", "index", "principal", "endpoint", "request_id"];

/// A request that is to be evaluated.
#[derive(Debug)]
pub(super) struct Question {
    tenant: Option<String>,
    index: String,
    principal: String,
    endpoint: EndpointKind,
    pub(super) request_id: String,
}

impl Question {
    /// Reads the question, or names the field that is wrong. A tenant that is not known
    /// is left out; `null` is wrong, as it is in a directive.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut object: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
            Problem::field("body", &format!("it is not a JSON object: {error}"))
        })?;
        if let Some(unknown) = object.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            let problem = format!("it is not one of {}", FIELDS.join(", "));
            return Err(Problem::field(unknown.clone(), &problem));
        }
        let endpoint = required(&mut object, "endpoint")?;
        Ok(Self {
            tenant: text(&mut object, "tenant")?,
            index: required(&mut object, "index")?,
            principal: required(&mut object, "principal")?,
            endpoint: endpoint
                .parse()
                .map_err(|error| Problem::field("endpoint", &format!("{endpoint:?} {error}")))?,
            request_id: required(&mut object, "request_id")?,
        })
    }

    pub(super) fn attrs(&self) -> RequestAttrs<'_> {
        RequestAttrs {
            tenant: self.tenant.as_deref(),
            index: &self.index,
            principal: &self.principal,
            endpoint: self.endpoint,
        }
    }
}

fn text(object: &mut Map<String, Value>, field: &'static str) -> Result<Option<String>, Problem> {
    match object.remove(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
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
                &format!("it is {kind}; write a text"),
            ))
        }
    }
}

fn required(object: &mut Map<String, Value>, field: &'static str) -> Result<String, Problem> {
    text(object, field)?.ok_or_else(|| Problem::field(field, "it is missing; write a text"))
}
