//! Compares two versions of a directive field by field, and classifies each difference by its
//! effect.

use jiff::Timestamp;
use opensearch_directives_core::document::{Document, Rejection, Signature};

/// What the change of one field does to a directive, for example that the directive matches more
/// requests.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChangeEffect {
    /// After the change, the directive matches more requests, or makes proxies record more about a
    /// request.
    Widens,
    /// The change removes the reason, the ticket, the owner or a signature.
    Loses,
    /// The directive had expired or was revoked, and applies again after the change.
    Reactivates,
    /// After the change, the directive expires later.
    Prolongs,
    /// The change has none of the other effects of this enum, for example because it narrows the
    /// directive.
    Other,
}

/// A field whose values in two versions of a directive differ.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FieldChange {
    /// The name of the changed field in the stored document.
    pub field: &'static str,
    /// The value of the field before the change; `None` if the field was absent.
    pub before: Option<String>,
    /// The value of the field after the change; `None` if the field is absent.
    pub after: Option<String>,
    /// The effect of the changed field on the directive, for example that the directive expires
    /// later.
    pub effect: ChangeEffect,
}

impl FieldChange {
    /// Returns the fields whose values differ between two versions of a directive. The comparison
    /// ignores the fields `created_*` and `updated_*`.
    #[must_use]
    pub fn between(before: &Document, after: &Document) -> Vec<Self> {
        changes(before, after)
    }

    /// Returns the difference that is reported if a directive replaces a malformed document. The
    /// intended targets of a malformed document are not known, so its replacement counts as a
    /// change that widens the directive.
    pub(super) fn of_malformed(rejection: &Rejection) -> Self {
        Self {
            field: "document",
            before: Some(format!("malformed ({rejection})")),
            after: Some("a directive".to_owned()),
            effect: ChangeEffect::Widens,
        }
    }
}

struct Changes(Vec<FieldChange>);

impl Changes {
    fn add<T: PartialEq + ToString>(
        &mut self,
        field: &'static str,
        before: Option<T>,
        after: Option<T>,
        effect: impl FnOnce(Option<&T>, Option<&T>) -> ChangeEffect,
    ) {
        if before == after {
            return;
        }
        let effect = effect(before.as_ref(), after.as_ref());
        self.0.push(FieldChange {
            field,
            before: before.map(|value| value.to_string()),
            after: after.map(|value| value.to_string()),
            effect,
        });
    }
}

/// Returns the fields whose values differ between a stored directive and its replacement. The
/// comparison ignores the fields `created_*` and `updated_*`.
pub(super) fn changes(before: &Document, after: &Document) -> Vec<FieldChange> {
    let mut all = Changes(Vec::new());
    targets(&mut all, before, after);
    effects(&mut all, before, after);
    times(&mut all, before, after);
    let text = |before: Option<&String>, after: Option<&String>| {
        if before.is_some() && after.is_none() {
            ChangeEffect::Loses
        } else {
            ChangeEffect::Other
        }
    };
    let (old, new) = (&before.audit, &after.audit);
    all.add("reason", old.reason.clone(), new.reason.clone(), text);
    all.add("ticket", old.ticket.clone(), new.ticket.clone(), text);
    all.add("owner", old.owner.clone(), new.owner.clone(), text);
    signatures(&mut all.0, before, after);
    all.0
}

/// Adds one changed field to `all` if the signatures of the two versions differ in any part. The
/// changed field shows the names of the signers as its values before and after.
fn signatures(all: &mut Vec<FieldChange>, before: &Document, after: &Document) {
    let (old, new) = (&before.signatures, &after.signatures);
    if old == new {
        return;
    }
    let signers = |signatures: &[Signature]| {
        let names: Vec<&str> = signatures.iter().map(Signature::signer).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let is_lost = |signature: &Signature| !new.iter().any(|one| one.key() == signature.key());
    all.push(FieldChange {
        field: "signatures",
        before: signers(old),
        after: signers(new),
        effect: if old.iter().any(is_lost) {
            ChangeEffect::Loses
        } else {
            ChangeEffect::Other
        },
    });
}

fn targets(all: &mut Changes, before: &Document, after: &Document) {
    // If a target gets another value, the directive matches requests that it did not match before.
    fn target<T>(before: Option<&T>, _: Option<&T>) -> ChangeEffect {
        match before {
            Some(_) => ChangeEffect::Widens,
            None => ChangeEffect::Other,
        }
    }
    let (old, new) = (&before.directive.match_, &after.directive.match_);
    all.add("tenant", old.tenant.clone(), new.tenant.clone(), target);
    all.add("index", old.index.clone(), new.index.clone(), target);
    all.add(
        "principal",
        old.principal.clone(),
        new.principal.clone(),
        target,
    );
    all.add("endpoint", old.endpoint, new.endpoint, target);
}

fn effects(all: &mut Changes, before: &Document, after: &Document) {
    fn more<T: PartialOrd>(before: Option<&T>, after: Option<&T>) -> ChangeEffect {
        if after > before {
            ChangeEffect::Widens
        } else {
            ChangeEffect::Other
        }
    }
    let (old, new) = (&before.directive, &after.directive);
    all.add("level", Some(old.level), Some(new.level), more);
    all.add(
        "sample_per_mille",
        Some(old.sample_per_mille),
        Some(new.sample_per_mille),
        more,
    );
    all.add(
        "ring_buffer",
        Some(old.ring_buffer),
        Some(new.ring_buffer),
        more,
    );
    all.add("capture", Some(old.capture), Some(new.capture), more);
}

fn times(all: &mut Changes, before: &Document, after: &Document) {
    let (old, new) = (&before.directive, &after.directive);
    // A start before the time of the write counts as absent, because the directive then starts
    // immediately.
    let written = after.audit.updated_at.unwrap_or(Timestamp::MIN);
    let begins = |start: Option<Timestamp>| start.filter(|&start| start > written);
    all.add(
        "starts_at",
        begins(old.starts_at),
        begins(new.starts_at),
        |before, after| match (before, after) {
            (Some(before), Some(after)) if after > before => ChangeEffect::Other,
            (Some(_), _) => ChangeEffect::Widens,
            (None, _) => ChangeEffect::Other,
        },
    );
    all.add(
        "expires_at",
        Some(old.expires_at),
        Some(new.expires_at),
        |before, after| match (before, after) {
            (Some(before), Some(after)) if after < before => ChangeEffect::Other,
            (Some(before), _) if *before <= written => ChangeEffect::Reactivates,
            _ => ChangeEffect::Prolongs,
        },
    );
    let revocation = match (before.revoked, after.revoked) {
        (true, false) => ChangeEffect::Reactivates,
        (true | false, true) | (false, false) => ChangeEffect::Other,
    };
    let (old, new) = (before.audit.revoked_at, after.audit.revoked_at);
    if old == new {
        // A revoked document may lack the time of its revocation, so the code compares the field
        // `revoked` instead of `revoked_at`.
        let (old, new) = (Some(before.revoked), Some(after.revoked));
        all.add("revoked", old, new, |_, _| revocation);
    } else {
        all.add("revoked_at", old, new, |_, _| revocation);
    }
}

#[cfg(test)]
#[path = "field_differences_tests.rs"]
mod tests;
