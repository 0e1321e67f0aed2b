//! Stores the end of a directive set, that is, the instant from which on no directive of the set
//! applies. The end of a set is the last expiry of its directives, or an earlier limit that the
//! publisher sets and can move.
//!
//! Each evaluation enforces the limit even if the publisher no longer runs, because the limit is a
//! part of the set. The limit does not slow an evaluation down, because the evaluation compares the
//! time only with the earlier of the last expiry and the limit.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use super::DirectiveSet;
use super::instant::{instant, rounded_up};
use super::lookup_table::LookupTable;

/// The last expiry of a set's directives, and the limit that the publisher has set. The last expiry
/// and the limit are seconds since 1970, rounded up. Rounding makes no directive apply longer,
/// because each directive also contains its exact expiry.
#[derive(Debug)]
pub(super) struct SetEnd {
    last_expiry: i64,
    /// The limit that the publisher has set; `i64::MAX` if it has set none.
    bound: AtomicI64,
    /// The end of the set: the last expiry or the limit, whichever is earlier.
    end: AtomicI64,
}

impl SetEnd {
    pub(super) fn at_last_expiry(table: &LookupTable) -> Self {
        let last_expiry = rounded_up(table.last_expiry);
        Self {
            last_expiry,
            bound: AtomicI64::new(i64::MAX),
            end: AtomicI64::new(last_expiry),
        }
    }

    #[inline]
    pub(super) fn has_passed(&self, now: Timestamp) -> bool {
        now.as_second() >= self.end.load(Ordering::Relaxed)
    }
}

impl DirectiveSet {
    /// Sets a limit, so that no directive of the set applies from the given instant on, rounded up
    /// to a second. The limit is effective in all handles to the set. A later call of `withdraw_at`
    /// can move the limit forward or back.
    #[doc(hidden)]
    pub fn withdraw_at(&self, at: Timestamp) {
        if let Some(compiled) = &self.compiled {
            let (end, bound) = (&compiled.end, rounded_up(instant(at)));
            end.bound.store(bound, Ordering::Relaxed);
            end.end.store(bound.min(end.last_expiry), Ordering::Relaxed);
        }
    }

    /// Returns the limit that [`withdraw_at`](Self::withdraw_at) has set.
    #[doc(hidden)]
    #[must_use]
    pub fn withdrawn_at(&self) -> Option<Timestamp> {
        let bound = self.compiled.as_ref()?.end.bound.load(Ordering::Relaxed);
        Timestamp::from_second(bound).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use jiff::SignedDuration;

    use super::*;
    use crate::{DiagLevel, DiagnosticsDirective, DirectiveMatch, RequestAttrs};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Returns a set whose directives have different targets, so that the tests run each path of an
    /// evaluation.
    fn set(expires: i64) -> DirectiveSet {
        let targets = [
            DirectiveMatch::all(),
            DirectiveMatch::all().for_tenant("acme"),
            DirectiveMatch::all().for_index("orders"),
        ];
        let directives = targets.into_iter().map(|match_| {
            DiagnosticsDirective::new("d", DiagLevel::Shape, at(expires)).with_match(match_)
        });
        directives.collect()
    }

    fn applying(set: &DirectiveSet, now: Timestamp) -> usize {
        let attrs = RequestAttrs::new("orders", "svc", crate::EndpointKind::Search);
        let attrs = attrs.with_tenant("acme");
        let mut applying = 0;
        let decision = set.evaluate_with(&attrs, now, "r", |_| applying += 1);
        assert_eq!(decision, set.evaluate(&attrs, now, "r"));
        assert_eq!(decision, set.explain(&attrs, now, "r").decision);
        assert_eq!(decision.level == DiagLevel::Shape, applying > 0);
        applying
    }

    #[test]
    fn p12_no_directive_of_a_withdrawn_set_applies_in_any_handle() {
        let set = set(100);
        let handle = set.clone();
        assert_eq!(handle.withdrawn_at(), None);
        set.withdraw_at(at(50));
        assert_eq!(handle.withdrawn_at(), Some(at(50)));
        assert_eq!(
            (applying(&handle, at(49)), applying(&handle, at(50))),
            (3, 0)
        );
        // The publisher moves the limit of the published set after each read that finds the set
        // unchanged.
        set.withdraw_at(at(60) + SignedDuration::from_nanos(1));
        assert_eq!(
            (applying(&handle, at(60)), applying(&handle, at(61))),
            (3, 0)
        );
    }

    #[test]
    fn p12_a_bound_prolongs_no_directive() {
        let set = set(100);
        set.withdraw_at(at(200));
        assert_eq!((applying(&set, at(99)), applying(&set, at(100))), (3, 0));
        set.withdraw_at(Timestamp::MAX);
        assert_eq!((applying(&set, at(99)), applying(&set, at(100))), (3, 0));
    }

    #[test]
    fn an_empty_set_has_no_bound() {
        let set = DirectiveSet::new();
        set.withdraw_at(at(50));
        assert_eq!(set.withdrawn_at(), None);
    }
}
