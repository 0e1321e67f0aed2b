//! Serialises a directive set as JSON for people and tools, with the state of each directive at an
//! instant.

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use super::DirectiveSet;
use crate::document::{write_effects, write_scope};
use crate::model::directive::{DirectiveRef, DirectiveState};

pub(super) fn introspect(set: &DirectiveSet, now: Timestamp) -> Value {
    let directives: Vec<Value> = set
        .iter()
        .map(|directive| {
            // Serialising a directive cannot fail, because its fields are only strings, numbers and
            // instants.
            serde_json::to_value(Introspected { directive, now }).unwrap_or_default()
        })
        .collect();
    let mut object = Map::new();
    object.insert("directives".to_owned(), directives.into());
    object.into()
}

struct Introspected<'a> {
    directive: DirectiveRef<'a>,
    now: Timestamp,
}

impl Serialize for Introspected<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let directive = &self.directive;
        let is_expired = directive.state(self.now) == DirectiveState::Expired;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", directive.id)?;
        write_scope(&mut map, directive)?;
        write_effects(&mut map, directive)?;
        if let Some(starts_at) = directive.starts_at {
            map.serialize_entry("starts_at", &starts_at)?;
        }
        map.serialize_entry("expires_at", &directive.expires_at)?;
        map.serialize_entry("expired", &is_expired)?;
        map.end()
    }
}
