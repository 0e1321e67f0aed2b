//! Compares the directive sets before and after a publish, and finds the directives that were
//! added, changed or removed.

use std::cmp::Ordering;
use std::fmt;
use std::iter;

use jiff::Timestamp;
use opensearch_directives_core::{DirectiveRef, DirectiveSet, DirectiveState};

/// A directive that differs between the directive sets before and after a publish.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Difference<'a> {
    Added(DirectiveRef<'a>),
    /// The publish changed the directive: the first value is the directive before the publish, and
    /// the second value is the directive after the publish.
    Changed(DirectiveRef<'a>, DirectiveRef<'a>),
    Removed(DirectiveRef<'a>),
}

/// Returns the differences between two directive sets in the order of the directives' ids. A
/// directive that has expired by `now` counts as absent.
pub(super) fn differences<'a>(
    before: &'a DirectiveSet,
    after: &'a DirectiveSet,
    now: Timestamp,
) -> impl Iterator<Item = Difference<'a>> {
    let (before, after) = (ById::new(before), ById::new(after));
    let (mut at_before, mut at_after) = (0, 0);
    let pairs = iter::from_fn(move || {
        let (old, new) = (before.get(at_before), after.get(at_after));
        let order = match (old, new) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.id.cmp(new.id),
        };
        at_before += usize::from(order.is_le());
        at_after += usize::from(order.is_ge());
        Some((old.filter(|_| order.is_le()), new.filter(|_| order.is_ge())))
    });
    let is_alive = move |one: &DirectiveRef<'_>| one.state(now) != DirectiveState::Expired;
    pairs.filter_map(move |(old, new)| {
        if old == new {
            return None;
        }
        match (old.filter(is_alive), new.filter(is_alive)) {
            (None, None) => None,
            (None, Some(new)) => Some(Difference::Added(new)),
            (Some(old), None) => Some(Difference::Removed(old)),
            (Some(old), Some(new)) => Some(Difference::Changed(old, new)),
        }
    })
}

/// Gives access to the directives of a directive set in the order of their ids. A directive set
/// that was read from an index is already ordered by id.
struct ById<'a> {
    set: &'a DirectiveSet,
    /// The positions of the directives in the order of their ids; `None` if the directive set is
    /// already ordered by id.
    order: Option<Vec<usize>>,
}

impl<'a> ById<'a> {
    fn new(set: &'a DirectiveSet) -> Self {
        let is_ordered = set.iter().map(|directive| directive.id).is_sorted();
        let order = (!is_ordered).then(|| {
            let mut order: Vec<usize> = (0..set.len()).collect();
            order.sort_by_key(|&position| set.get(position).map(|directive| directive.id));
            order
        });
        Self { set, order }
    }

    fn get(&self, position: usize) -> Option<DirectiveRef<'a>> {
        match &self.order {
            None => self.set.get(position),
            Some(order) => self.set.get(*order.get(position)?),
        }
    }
}

/// The names of the fields in which two versions of a directive differ.
pub(super) struct ChangedFields(Vec<&'static str>);

impl ChangedFields {
    pub(super) fn between(before: DirectiveRef<'_>, after: DirectiveRef<'_>) -> Self {
        let fields = [
            ("level", before.level != after.level),
            ("tenant", before.tenant != after.tenant),
            ("index", before.index != after.index),
            ("principal", before.principal != after.principal),
            ("endpoint", before.endpoint != after.endpoint),
            (
                "sample_per_mille",
                before.sample_per_mille != after.sample_per_mille,
            ),
            ("ring_buffer", before.ring_buffer != after.ring_buffer),
            ("capture", before.capture != after.capture),
            ("starts_at", before.starts_at != after.starts_at),
            ("expires_at", before.expires_at != after.expires_at),
        ];
        let changed = fields.into_iter().filter(|(_, differs)| *differs);
        Self(changed.map(|(name, _)| name).collect())
    }
}

impl fmt::Display for ChangedFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use opensearch_directives_core::{DiagLevel, DiagnosticsDirective};

    use super::*;

    fn set(directives: &[(&str, DiagLevel, &str)]) -> DirectiveSet {
        let directives = directives.iter();
        let directives = directives.map(|(id, level, expires_at)| {
            DiagnosticsDirective::new(*id, *level, expires_at.parse().unwrap())
        });
        directives.collect()
    }

    #[test]
    fn sets_of_any_order_are_compared_and_expired_directives_are_absent() {
        const PAST: &str = "2030-01-01T11:00:00Z";
        const LATER: &str = "2030-01-01T13:00:00Z";
        let before = set(&[
            ("same", DiagLevel::Shape, LATER),
            ("gone", DiagLevel::Shape, LATER),
            ("past", DiagLevel::Shape, PAST),
            ("revived", DiagLevel::Shape, PAST),
            ("level", DiagLevel::Shape, LATER),
        ]);
        let after = set(&[
            ("level", DiagLevel::ShapeTiming, LATER),
            ("new", DiagLevel::Shape, LATER),
            ("new and past", DiagLevel::Shape, PAST),
            ("revived", DiagLevel::Shape, LATER),
            ("same", DiagLevel::Shape, LATER),
        ]);
        let now = "2030-01-01T12:00:00Z".parse().unwrap();
        let found: Vec<String> = differences(&before, &after, now)
            .map(|difference| match difference {
                Difference::Added(one) => format!("+{}", one.id),
                Difference::Removed(one) => format!("-{}", one.id),
                Difference::Changed(old, new) => {
                    format!("{}: {}", new.id, ChangedFields::between(old, new))
                }
            })
            .collect();
        assert_eq!(found, ["-gone", "level: level", "+new", "+revived"]);
    }
}
