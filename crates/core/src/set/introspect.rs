//! A set as JSON for people and tools.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::DirectiveSet;
use crate::model::directive::DirectiveRef;
use crate::model::request::EndpointKind;

pub(super) fn introspect(set: &DirectiveSet, now: Timestamp) -> Value {
    let directives: Vec<Value> = set
        .iter()
        .map(|directive| introspect_one(directive, now))
        .collect();
    let mut object = Map::new();
    object.insert("directives".to_owned(), directives.into());
    object.into()
}

fn introspect_one(directive: DirectiveRef<'_>, now: Timestamp) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    put("id", directive.id.into());
    put("level", directive.level.as_str().into());
    for (key, target) in [
        ("tenant", directive.tenant),
        ("index", directive.index),
        ("principal", directive.principal),
        ("endpoint", directive.endpoint.map(EndpointKind::as_str)),
    ] {
        if let Some(target) = target {
            put(key, target.into());
        }
    }
    put("sample_per_mille", directive.sample_per_mille.into());
    put("ring_buffer", directive.ring_buffer.into());
    put("capture", directive.capture.into());
    if let Some(starts_at) = directive.starts_at {
        put("starts_at", starts_at.to_string().into());
    }
    put("expires_at", directive.expires_at.to_string().into());
    put("expired", (now >= directive.expires_at).into());
    object.into()
}
