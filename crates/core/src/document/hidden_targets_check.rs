//! Detects whether a role hides a target of a stored document from the reader, or whether a tool
//! removed the target. Each stored document has a field `targets` that lists the names of its
//! target fields.
//!
//! For example, if a role hides the field `tenant` from a reader, the field `targets` still names
//! `tenant`, so the decoder rejects the document.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::DirectiveRef;

/// The target fields of a document, in their order in the document.
pub(super) const TARGET_FIELDS: [&str; 4] = ["tenant", "index", "principal", "endpoint"];

/// Says for each field in [`TARGET_FIELDS`] whether a document contains it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct TargetFields([bool; 4]);

impl TargetFields {
    pub(super) fn of(directive: &DirectiveRef<'_>) -> Self {
        Self([
            directive.tenant.is_some(),
            directive.index.is_some(),
            directive.principal.is_some(),
            directive.endpoint.is_some(),
        ])
    }

    /// Returns the first target field that `self` contains but `other` does not.
    pub(super) fn first_not_in(self, other: Self) -> Option<&'static str> {
        (0..TARGET_FIELDS.len())
            .find(|&n| self.0[n] && !other.0[n])
            .map(|n| TARGET_FIELDS[n])
    }
}

impl Serialize for TargetFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(None)?;
        for (name, targeted) in TARGET_FIELDS.iter().zip(self.0) {
            if targeted {
                seq.serialize_element(name)?;
            }
        }
        seq.end()
    }
}

impl<'de> Deserialize<'de> for TargetFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = TargetFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of targeted fields")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                #[derive(Deserialize)]
                struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

                let mut fields = TargetFields::default();
                while let Some(Name(name)) = seq.next_element()? {
                    let known = TARGET_FIELDS.iter().position(|known| *known == name);
                    match known {
                        Some(n) if !fields.0[n] => fields.0[n] = true,
                        _ => return Err(A::Error::custom("unknown or repeated")),
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_seq(List)
    }
}
