//! A conformance kit: it checks whether a store keeps the promises of
//! [`DirectiveStore`](crate::DirectiveStore), and names each rule that it breaks.
//!
//! A store of another crate, with types of its own, is checked through a small adapter, a
//! [`Subject`].
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

mod check_rules;
mod report;

use jiff::Timestamp;

use crate::{Decision, DiagnosticsDirective, RequestAttrs};

pub use report::{Outcome, Report, Rule};

/// A store that the kit checks.
pub trait Subject: Sync {
    /// What a load returns.
    type Set;

    /// Publishes a set of these directives, and returns when every later load returns it. Returns
    /// `false` if the store cannot publish; the kit then checks the set that it holds, which must
    /// be that of [`initial_directives`], and skips the rules about publishes.
    fn publish(&self, directives: Vec<DiagnosticsDirective>) -> bool;

    /// Loads the published set, as the request path does.
    fn load(&self) -> Self::Set;

    /// Decides about a request.
    fn evaluate(
        &self,
        set: &Self::Set,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Decision;
}

/// The time of the first evaluations: the directives of the kit are near it.
#[must_use]
pub fn noon() -> Timestamp {
    // 2030-01-01T12:00:00Z
    Timestamp::from_second(1_893_499_200).unwrap_or_default()
}

/// The directives that a store which cannot publish must hold for the check: one that expires, one
/// that starts, and one that samples.
#[must_use]
pub fn initial_directives() -> Vec<DiagnosticsDirective> {
    check_rules::timed_directives()
}

/// Runs its argument and returns how often this thread allocated.
pub type CountAllocations = fn(&mut dyn FnMut()) -> u64;

/// Checks stores.
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
    /// Sets how many sets are published while threads read.
    #[must_use]
    pub fn with_publishes(mut self, publishes: u16) -> Self {
        self.publishes = publishes;
        self
    }

    /// Sets how many threads read while sets are published.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets a function that runs its argument and returns how often this thread allocated. Without
    /// it, [`Rule::NoAllocation`] is skipped, because it needs a global allocator that counts.
    #[must_use]
    pub fn with_allocation_counter(mut self, count: CountAllocations) -> Self {
        self.count_allocations = Some(count);
        self
    }

    /// Checks each rule.
    pub fn check<S: Subject>(&self, subject: &S) -> Report {
        check_rules::check(self, subject)
    }
}

#[cfg(test)]
mod tests;
