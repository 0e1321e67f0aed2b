//! Detects whether a target of a stored document was hidden or removed. The field `targets` of a
//! stored document repeats the names of the targets that the document contains.
//!
//! For example, if a role hides the field `tenant` from a reader, the field `targets` still names
//! `tenant`, so the decoder rejects the document.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::DirectiveRef;

/// The fields that contain targets, and so can narrow a directive, in their order in a document.
pub(super) const TARGET_FIELDS: [&str; 4] = ["tenant", "index", "principal", "endpoint"];

/// A set of the fields in [`TARGET_FIELDS`].
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

    /// Returns the first field that is in `self` but not in `other`.
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
