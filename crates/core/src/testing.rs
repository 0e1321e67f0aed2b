//! A conformance kit, which checks whether a store follows the rules of
//! [`DirectiveStore`](crate::DirectiveStore), and reports each rule that the store breaks.
//!
//! If your store uses other types than this crate, implement [`Subject`] as a small adapter.
//!
//! ```
//! use std::sync::Arc;
//!
//! use opensearch_directives_core::testing::{Kit, Subject};
//! use opensearch_directives_core::{
//!     Decision, DiagnosticsDirective, DirectiveSet, DirectiveStore as _, InMemoryDirectiveStore,
//!     RequestAttrs,
//! };
//! use jiff::Timestamp;
//!
//! struct InMemory(InMemoryDirectiveStore);
//!
//! impl Subject for InMemory {
//!     type Set = Arc<DirectiveSet>;
//!
//!     fn publish(&self, directives: Vec<DiagnosticsDirective>) -> bool {
//!         self.0.publish(DirectiveSet::from_directives(directives));
//!         true
//!     }
//!
//!     fn load(&self) -> Self::Set {
//!         self.0.load()
//!     }
//!
//!     fn evaluate(
//!         &self,
//!         set: &Self::Set,
//!         attrs: &RequestAttrs<'_>,
//!         now: Timestamp,
//!         request_id: &str,
//!     ) -> Decision {
//!         set.evaluate(attrs, now, request_id)
//!     }
//! }
//!
//! let report = Kit::default().check(&InMemory(InMemoryDirectiveStore::new()));
//! assert!(report.conforms(), "{report}");
//! ```

mod conformance_checks;
mod conformance_report;

use jiff::Timestamp;

use crate::{Decision, DiagnosticsDirective, RequestAttrs};

pub use conformance_report::{Outcome, Report, Rule};

/// A store that the conformance kit checks.
pub trait Subject: Sync {
    /// The type of a set that was loaded from the store.
    type Set;

    /// Publishes a set of the given directives, and returns once every later load returns this set.
    /// If the store cannot publish sets, `publish` must return `false`, and the kit skips the rules
    /// about publishing. A store that cannot publish sets must contain the [`initial_directives`].
    fn publish(&self, directives: Vec<DiagnosticsDirective>) -> bool;

    /// Loads the published set as a proxy does for each request.
    fn load(&self) -> Self::Set;

    /// Evaluates a request with a set that was loaded from the store.
    fn evaluate(
        &self,
        set: &Self::Set,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Decision;
}

/// Returns the instant of the conformance kit's first evaluations. The directives of the
/// conformance kit start and expire within minutes after the instant `noon`.
#[must_use]
pub fn noon() -> Timestamp {
    // The instant 2030-01-01T12:00:00Z, in seconds since 1970.
    Timestamp::from_second(1_893_499_200).unwrap_or_default()
}

/// Returns the directives that the checked store must contain if it cannot publish sets. The
/// initial directives serve to test the expiry, the start and the sample rate of a directive.
#[must_use]
pub fn initial_directives() -> Vec<DiagnosticsDirective> {
    conformance_checks::timed_directives()
}

/// A function that runs its argument, and returns how many allocations the current thread made in
/// the meantime.
pub type CountAllocations = fn(&mut dyn FnMut()) -> u64;

/// Checks a store against each [`Rule`] of the conformance kit, with adjustable settings.
#[derive(Clone, Copy, Debug)]
pub struct Kit {
    publishes: u16,
    threads: usize,
    count_allocations: Option<CountAllocations>,
}

impl Default for Kit {
    fn default() -> Self {
        Self {
            publishes: 500,
            threads: 4,
            count_allocations: None,
        }
    }
}

impl Kit {
    /// Sets how many sets the kit publishes while other threads load sets.
    #[must_use]
    pub fn with_publishes(mut self, publishes: u16) -> Self {
        self.publishes = publishes;
        self
    }

    /// Sets how many threads load sets while the kit publishes sets.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the function that counts the allocations of a thread. Without a function that counts
    /// allocations, the kit skips [`Rule::NoAllocation`], because only a special global allocator
    /// can count allocations.
    #[must_use]
    pub fn with_allocation_counter(mut self, count: CountAllocations) -> Self {
        self.count_allocations = Some(count);
        self
    }

    /// Checks whether the store follows each [`Rule`], and returns a report.
    pub fn check<S: Subject>(&self, subject: &S) -> Report {
        conformance_checks::check(self, subject)
    }
}

#[cfg(test)]
mod faulty_stores;
