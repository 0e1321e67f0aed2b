//! Compares two versions of a directive field by field, and classifies each difference by its
//! effect.

use jiff::Timestamp;
use opensearch_directives_core::document::{Document, Rejection};

/// The effect of a changed field.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChangeEffect {
    /// The directive matches more requests, or more is recorded about them.
    Widens,
    /// A text in the audit record is removed.
    Loses,
    /// A directive that had expired or was revoked applies again.
    Reactivates,
    /// The directive expires later.
    Prolongs,
    /// The change has none of these effects.
    Other,
}

/// One field that differs between two versions of a directive.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FieldChange {
    /// The field's name in the document.
    pub field: &'static str,
    /// The previous value; `None` if the field was absent.
    pub before: Option<String>,
    /// The new value; `None` if the field is absent.
    pub after: Option<String>,
    /// The effect of the change.
    pub effect: ChangeEffect,
}

impl FieldChange {
    /// Returns the differences between two versions of a directive. The fields `created_*` and
    /// `updated_*` are not compared.
    #[must_use]
    pub fn between(before: &Document, after: &Document) -> Vec<Self> {
        changes(before, after)
    }

    /// Returns the change for the replacement of a malformed document. Its intended targets are
    /// unknown, so the replacement may widen it.
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

/// Returns the differences between a stored directive and its replacement. The fields `created_*`
/// and `updated_*` are not compared.
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
    all.0
}

fn targets(all: &mut Changes, before: &Document, after: &Document) {
    // With another value, the directive matches requests that it did not match before.
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
    // A start before the time of the write means that the directive starts immediately.
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
        // A revoked document may lack the time of its revocation.
        let (old, new) = (Some(before.revoked), Some(after.revoked));
        all.add("revoked", old, new, |_, _| revocation);
    } else {
        all.add("revoked_at", old, new, |_, _| revocation);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{DiagLevel, DiagnosticsDirective, DirectiveMatch, EndpointKind};

    /// The fields for the author and the time of a write, and the fields that depend on others.
    const NOT_COMPARED: [&str; 8] = [
        "targets",
        "created_at",
        "created_by",
        "updated_at",
        "updated_by",
        "authenticated_as",
        "revoked_by",
        "revoked_reason",
    ];

    fn document() -> Document {
        let mut directive = DiagnosticsDirective::new("one", DiagLevel::Shape, at(1_000));
        directive.match_ = DirectiveMatch::all().for_tenant("acme");
        directive.sample_per_mille = 100;
        let mut document = Document::new(directive);
        document.audit.ticket = Some("INC-1".to_owned());
        document.audit.reason = Some("slow".to_owned());
        document.audit.owner = Some("search-team".to_owned());
        document.audit.updated_at = Some(at(0));
        document
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    type Edit = fn(&mut Document);

    /// A change of each field, with its effect.
    const CASES: [(&str, ChangeEffect, Edit); 20] = [
        ("tenant", ChangeEffect::Widens, |d| {
            d.directive.match_.tenant = None;
        }),
        ("tenant", ChangeEffect::Widens, |d| {
            d.directive.match_.tenant = Some("umbrella".to_owned());
        }),
        ("index", ChangeEffect::Other, |d| {
            d.directive.match_.index = Some("orders".to_owned());
        }),
        ("endpoint", ChangeEffect::Other, |d| {
            d.directive.match_.endpoint = Some(EndpointKind::Search);
        }),
        ("level", ChangeEffect::Widens, |d| {
            d.directive.level = DiagLevel::ShapeTiming;
        }),
        ("level", ChangeEffect::Other, |d| {
            d.directive.level = DiagLevel::Off;
        }),
        ("sample_per_mille", ChangeEffect::Widens, |d| {
            d.directive.sample_per_mille = 101;
        }),
        ("sample_per_mille", ChangeEffect::Other, |d| {
            d.directive.sample_per_mille = 99;
        }),
        ("ring_buffer", ChangeEffect::Widens, |d| {
            d.directive.ring_buffer = true;
        }),
        ("capture", ChangeEffect::Widens, |d| {
            d.directive.capture = true;
        }),
        ("expires_at", ChangeEffect::Prolongs, |d| {
            d.directive.expires_at = at(1_001);
        }),
        ("expires_at", ChangeEffect::Other, |d| {
            d.directive.expires_at = at(999);
        }),
        ("starts_at", ChangeEffect::Other, |d| {
            d.directive.starts_at = Some(at(500));
        }),
        ("reason", ChangeEffect::Loses, |d| {
            d.audit.reason = None;
        }),
        ("ticket", ChangeEffect::Loses, |d| {
            d.audit.ticket = None;
        }),
        ("ticket", ChangeEffect::Other, |d| {
            d.audit.ticket = Some("INC-2".to_owned());
        }),
        ("owner", ChangeEffect::Loses, |d| {
            d.audit.owner = None;
        }),
        ("principal", ChangeEffect::Other, |d| {
            d.directive.match_.principal = Some("alice".to_owned());
        }),
        ("revoked", ChangeEffect::Other, |d| {
            d.revoked = true;
        }),
        ("revoked_at", ChangeEffect::Other, |d| {
            d.audit.revoked_at = Some(at(1));
        }),
    ];

    #[test]
    fn each_field_has_its_effect() {
        for (field, effect, edit) in CASES {
            let mut after = document();
            edit(&mut after);
            let found = changes(&document(), &after);
            assert_eq!(found.len(), 1, "{field}: {found:?}");
            assert_eq!((found[0].field, found[0].effect), (field, effect));
        }
        // Every field of the mapping is compared, or excluded on purpose.
        let template = include_str!("../../mappings/index-template.json");
        let template: serde_json::Value = serde_json::from_str(template).unwrap();
        let fields = template["template"]["mappings"]["properties"]
            .as_object()
            .unwrap();
        for name in fields.keys() {
            let is_compared = CASES.iter().any(|(field, ..)| field == name);
            assert_ne!(is_compared, NOT_COMPARED.contains(&name.as_str()), "{name}");
        }
        assert_eq!(changes(&document(), &document()), []);
    }

    #[test]
    fn an_expired_or_revoked_directive_is_reactivated() {
        let mut after = document();
        after.audit.updated_at = Some(at(2_000));
        after.directive.expires_at = at(3_000);
        assert_eq!(
            changes(&document(), &after)[0].effect,
            ChangeEffect::Reactivates
        );
        let mut revoked = document();
        revoked.revoked = true;
        assert_eq!(
            changes(&revoked, &document())[0].effect,
            ChangeEffect::Reactivates
        );
        revoked.audit.revoked_at = Some(at(1));
        assert_eq!(
            changes(&revoked, &document())[0].effect,
            ChangeEffect::Reactivates
        );
    }

    #[test]
    fn an_earlier_start_widens_unless_it_has_passed() {
        let mut scheduled = document();
        scheduled.directive.starts_at = Some(at(500));
        assert_eq!(
            changes(&scheduled, &document())[0].effect,
            ChangeEffect::Widens
        );
        let mut begun = document();
        begun.directive.starts_at = Some(at(-5));
        assert_eq!(changes(&begun, &document()), []);
    }
}
