//! Compares the document before an operation with the document after it, and determines what the
//! operation did.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use opensearch_directives_core::document::{DecodeLimits, Document, Rejection, decode, is_revoked};

/// The fields that the comparison of two documents leaves out. Every write changes the time and the
/// author, and a record has separate fields for these values. The field `targets` is derived from
/// other fields of the document.
const NOT_COMPARED: [&str; 4] = ["updated_at", "updated_by", "authenticated_as", "targets"];

/// The fields whose absence means `false`. A stored document contains all other fields that have a
/// default.
const FALSE_IF_ABSENT: [&str; 2] = ["ring_buffer", "capture"];

/// The effect of an operation on a directive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RecordKind {
    /// The directive is new: before the operation, there was no directive with the same id.
    Created,
    /// The operation replaced the directive in a way that no other kind describes. For example, the
    /// operation changed the value of a target or of a text, or the previous document is not known.
    Replaced,
    /// After the operation, the directive matches more requests, records more about them, or starts
    /// earlier.
    Widened,
    /// After the operation, the directive matches fewer requests, records less, starts later or
    /// ends earlier.
    Narrowed,
    /// After the operation, the directive ends later.
    Extended,
    /// The operation revoked the directive.
    Revoked,
    /// After the operation, a directive that was revoked or had expired applies again.
    Reactivated,
    /// The operation deleted the document of the directive.
    Deleted,
    /// The operation wrote a document that proxies reject.
    Rejected,
}

impl RecordKind {
    /// All kinds of operations, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Created,
        Self::Replaced,
        Self::Widened,
        Self::Narrowed,
        Self::Extended,
        Self::Revoked,
        Self::Reactivated,
        Self::Deleted,
        Self::Rejected,
    ];

    /// Returns the name of this kind of operation, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Replaced => "replaced",
            Self::Widened => "widened",
            Self::Narrowed => "narrowed",
            Self::Extended => "extended",
            Self::Revoked => "revoked",
            Self::Reactivated => "reactivated",
            Self::Deleted => "deleted",
            Self::Rejected => "rejected",
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The error for a text that is not the name of a [`RecordKind`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} is not a kind of operation; write one of created, replaced, widened, narrowed, extended, revoked, reactivated, deleted, rejected"
)]
pub struct UnknownRecordKind(String);

impl FromStr for RecordKind {
    type Err = UnknownRecordKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownRecordKind(text.to_owned()))
    }
}

/// What is known about the document before an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Before<'a> {
    /// There was no document before the operation.
    Absent,
    /// The JSON of the document before the operation.
    Stored(&'a str),
    /// It is not known whether there was a document before the operation.
    Unknown,
}

/// The result of comparing the documents before and after an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Change {
    /// What the operation did to the directive.
    pub kind: RecordKind,
    /// The sorted names of the document's fields that the operation changed; `None` if the document
    /// before the operation is not known.
    pub fields: Option<Vec<String>>,
    /// The reason why proxies reject the document; `None` if proxies accept the document.
    pub rejection: Option<Rejection>,
}

/// Compares the documents before and after an operation. `after` is `None` for a deletion, and
/// `limits.now` is the time of the operation.
///
/// If an operation has several effects, its kind is the effect that is most important for an
/// auditor. For example, if a directive matches more requests and also ends earlier, its kind is
/// `Widened`.
#[must_use]
pub fn classify(
    id: &str,
    before: Before<'_>,
    after: Option<&str>,
    limits: &DecodeLimits,
) -> Change {
    let Some(after) = after else {
        return Change {
            kind: RecordKind::Deleted,
            fields: Some(Vec::new()),
            rejection: None,
        };
    };
    let decoded = decode(id, after, limits).map(|document| document.to_document());
    let is_revoked_now = is_revoked(after);
    let was_revoked = matches!(before, Before::Stored(json) if is_revoked(json));
    let (kind, rejection) = match &decoded {
        _ if is_revoked_now && !was_revoked => (RecordKind::Revoked, None),
        Err(rejection) if !is_revoked_now => (RecordKind::Rejected, Some(rejection.clone())),
        after => (kind_of(id, before, after.as_ref().ok(), limits), None),
    };
    Change {
        kind,
        fields: changed_fields(before, after),
        rejection,
    }
}

/// Returns the kind of an operation that is not a revocation, a deletion or a rejected write.
/// `after` is `None` if the new document is malformed but still marked as revoked, as the previous
/// document was.
fn kind_of(
    id: &str,
    before: Before<'_>,
    after: Option<&Document>,
    limits: &DecodeLimits,
) -> RecordKind {
    let before = match before {
        Before::Absent => return RecordKind::Created,
        Before::Unknown => return RecordKind::Replaced,
        Before::Stored(json) => json,
    };
    let Some(after) = after else {
        return RecordKind::Replaced;
    };
    let now = limits.now;
    let applies_later = !after.revoked && after.directive.expires_at > now;
    let decoded = decode(id, before, limits).map(|document| document.to_document());
    let Ok(before_document) = decoded else {
        return if is_revoked(before) && applies_later {
            RecordKind::Reactivated
        } else {
            RecordKind::Replaced
        };
    };
    let had_ended = before_document.revoked || before_document.directive.expires_at <= now;
    if had_ended && applies_later {
        return RecordKind::Reactivated;
    }
    Directions::between(&before_document, after, now).kind()
}

/// Whether an operation widened, narrowed, retargeted or extended a directive.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the directions are independent"
)]
struct Directions {
    widens: bool,
    narrows: bool,
    retargets: bool,
    extends: bool,
}

impl Directions {
    fn between(before: &Document, after: &Document, now: Timestamp) -> Self {
        let mut all = Self::default();
        let (old, new) = (&before.directive, &after.directive);
        all.target(old.match_.tenant.as_ref(), new.match_.tenant.as_ref());
        all.target(old.match_.index.as_ref(), new.match_.index.as_ref());
        all.target(old.match_.principal.as_ref(), new.match_.principal.as_ref());
        all.target(old.match_.endpoint.as_ref(), new.match_.endpoint.as_ref());
        all.amount(old.level, new.level);
        all.amount(old.sample_per_mille, new.sample_per_mille);
        all.amount(old.ring_buffer, new.ring_buffer);
        all.amount(old.capture, new.capture);
        // If the start of a directive is in the past, the directive has already started, so a
        // change of this start is ignored.
        let start = |start: Option<Timestamp>| start.filter(|&start| start > now).unwrap_or(now);
        all.amount(start(new.starts_at), start(old.starts_at));
        all.extends |= new.expires_at > old.expires_at;
        all.narrows |= new.expires_at < old.expires_at;
        all
    }

    fn target<T: PartialEq>(&mut self, before: Option<&T>, after: Option<&T>) {
        match (before, after) {
            (Some(_), None) => self.widens = true,
            (None, Some(_)) => self.narrows = true,
            (Some(before), Some(after)) => self.retargets |= before != after,
            (None, None) => {}
        }
    }

    fn amount<T: PartialOrd + Copy>(&mut self, before: T, after: T) {
        self.widens |= after > before;
        self.narrows |= after < before;
    }

    fn kind(self) -> RecordKind {
        if self.widens {
            RecordKind::Widened
        } else if self.retargets {
            RecordKind::Replaced
        } else if self.extends {
            RecordKind::Extended
        } else if self.narrows {
            RecordKind::Narrowed
        } else {
            RecordKind::Replaced
        }
    }
}

/// Returns the names of the fields whose values differ between the two documents. An absent field
/// whose absence means `false` equals the value `false`. The value `null` is not the same as an
/// absent field, because proxies reject `null`.
fn changed_fields(before: Before<'_>, after: &str) -> Option<Vec<String>> {
    let before = match before {
        Before::Absent => return Some(Vec::new()),
        Before::Unknown => return None,
        Before::Stored(json) => fields(json),
    };
    let after = fields(after);
    let names = before.keys().chain(after.keys());
    let mut changed: Vec<String> = names
        .filter(|name| !NOT_COMPARED.contains(&name.as_str()))
        .filter(|name| value(&before, name) != value(&after, name))
        .cloned()
        .collect();
    changed.sort_unstable();
    changed.dedup();
    Some(changed)
}

/// Returns the value of a field; `None` if the field is absent and has no default.
fn value<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let default = FALSE_IF_ABSENT
        .contains(&name)
        .then_some(&Value::Bool(false));
    fields.get(name).or(default)
}

fn fields(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap_or_default()
}

#[cfg(test)]
#[path = "classify_operation_tests.rs"]
mod tests;
