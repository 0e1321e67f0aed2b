//! The compiled directive set, with which a proxy decides about each request. A directive set is
//! immutable, and its evaluation returns the decision about a request.
//!
//! # How it works
//!
//! `packed_directives.rs` stores each directive in 24 bytes, and the strings of all directives in
//! one allocation (`string_arena.rs`). `lookup_table.rs` builds the hash table of the packed
//! directives. `evaluate.rs` makes one lookup in the hash table for each combination of target
//! fields that the directives use. A lookup compares both the hash and the strings of the targets,
//! so a directive never applies to a request that it does not target, even if two hashes collide.
//! `patch.rs` builds the next set from the current set and a list of changes.

mod builder;
mod decision;
mod error;
mod evaluate;
mod evaluate_indices;
mod instant;
mod introspection_json;
mod lookup_table;
mod order_by_id;
mod packed_directives;
mod patch;
mod set_end;
mod shape;
mod sorted_hash_table;
mod sorting;
mod state_counts;
mod string_arena;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::hits::Counting;
use crate::model::directive::{DiagnosticsDirective, DirectiveRef};
use crate::model::request::RequestAttrs;
use crate::set_digest::Digest;
use decision::Effects;
use evaluate::ALL_COMBINATIONS;
use lookup_table::LookupTable;
use packed_directives::PackedDirectives;
use set_end::SetEnd;

pub use builder::DirectiveSetBuilder;
pub use decision::{Decision, Explanation};
pub use error::BuildError;
pub use patch::Edit;
pub use sorting::Order;
pub use state_counts::DirectiveStates;

/// The content of a directive set that is not empty.
#[derive(Debug)]
struct Compiled {
    directives: PackedDirectives,
    table: LookupTable,
    end: SetEnd,
}

/// An immutable set of directives, compiled for lookup.
///
/// A clone of a `DirectiveSet` is another handle to the same set in memory. Cloning a
/// `DirectiveSet` only increases a reference count. A set is freed when its last handle is dropped.
///
/// An empty set occupies no memory. A set of 100,000 directives that each target a tenant needs
/// about 38 bytes for each directive, in addition to the id and the tenant. Each directive needs 16
/// more bytes if at least one directive of the set has a start.
//
// `DirectiveSet` is aligned to a cache line, so that threads with different handles do not contend
// for a cache line. A store has several handles to the same set (`publish/mod.rs`), each with its
// own reference count.
#[derive(Clone, Default)]
#[repr(align(64))]
pub struct DirectiveSet {
    compiled: Option<Arc<Compiled>>,
    /// The counters in which evaluations with this handle count their matches. Each handle to a set
    /// may have different counters or none.
    counting: Counting,
}

impl DirectiveSet {
    /// Creates a set without directives. Every evaluation of an empty set returns the level
    /// [`DiagLevel::Off`](crate::DiagLevel::Off).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a set of the given directives, and keeps their order.
    ///
    /// If two directives have the same id, the set contains both of them. (A snapshot of an index
    /// never contains two directives with the same id.)
    ///
    /// # Panics
    /// Panics if the ids and targets have more than four gigabytes in total. If the strings can be
    /// longer than four gigabytes, use [`DirectiveSetBuilder`], which returns an error instead.
    #[must_use]
    pub fn from_directives(directives: Vec<DiagnosticsDirective>) -> Self {
        directives.into_iter().collect()
    }

    /// Returns the number of directives in the set, including expired ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.compiled
            .as_ref()
            .map_or(0, |compiled| compiled.directives.len())
    }

    /// Returns true if the set has no directives.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.compiled.is_none()
    }

    /// Returns the decision about a request at an instant. The decision contains the highest level
    /// of the directives that apply, and whether they request the ring buffer or capture.
    ///
    /// A directive applies if it has started (`starts_at <= now`) and has not expired
    /// (`now < expires_at`), and the request matches its targets and is in its sample.
    ///
    /// # Guarantees
    ///
    /// - Evaluations of the same set with the same arguments always return the same decision.
    /// - An evaluation does not allocate, lock, read a clock, perform I/O or panic.
    /// - The duration of an evaluation does not depend on the number of directives in the set. An
    ///   evaluation makes one lookup for each combination of target fields that the directives use,
    ///   and reads each matching directive that can change the decision. If all directives with the
    ///   same targets have expired, an evaluation makes only one comparison for them.
    /// - An evaluation hashes the request's id at most once, and only if a directive with a sample
    ///   rate below 1000 could change the decision.
    /// - If the store counts matches, the duration of an evaluation also grows with the number of
    ///   active directives that match the request. A request that matches no directive needs no
    ///   time for counting.
    ///
    /// # Sampling
    ///
    /// The hash of `request_id` decides whether the request is in a directive's sample. A request
    /// without an id (`""`, see [`RequestId`](crate::RequestId)) is in no sample below 1000 per
    /// mille. **A client that can choose the id can choose whether its request is sampled.** If
    /// clients must not choose whether their requests are sampled, pass an id that the proxy
    /// generates, and not one from the client's header.
    ///
    /// # How to use it
    ///
    /// For each request, load the set once, read the clock once and evaluate once. With a single
    /// evaluation, the level, the ring buffer and capture come from the same directives.
    ///
    /// ```
    /// use jiff::{SignedDuration, Timestamp};
    /// use opensearch_directives_core::{DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet, EndpointKind, RequestAttrs};
    ///
    /// let now: Timestamp = "2030-01-01T00:00:00Z".parse()?;
    /// let expires_at = now + SignedDuration::from_mins(15);
    /// let set = DirectiveSet::from_directives(vec![
    ///     DiagnosticsDirective::new("slow-acme", DiagLevel::Shape, expires_at)
    ///         .with_match(DirectiveMatch::all().for_tenant("acme")),
    /// ]);
    /// let request = RequestAttrs::new("orders", "checkout", EndpointKind::Search).with_tenant("acme");
    /// assert_eq!(set.evaluate(&request, now, "request-1").level, DiagLevel::Shape);
    /// assert_eq!(set.evaluate(&request, expires_at, "request-1").level, DiagLevel::Off);
    /// # Ok::<(), jiff::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn evaluate(&self, attrs: &RequestAttrs<'_>, now: Timestamp, request_id: &str) -> Decision {
        match &self.compiled {
            Some(compiled) => compiled
                .evaluate(attrs, now, request_id, &self.counting)
                .decision(),
            None => Decision::default(),
        }
    }

    /// Returns the same decision as [`evaluate`](Self::evaluate), and also calls `applies` for each
    /// directive that applies to the request, in no particular order.
    ///
    /// `evaluate_with` calls `applies` once for every directive that applies, even if the directive
    /// does not change the decision. `evaluate_with` has the same guarantees as `evaluate`, except
    /// that its duration grows with the number of active directives that match the request.
    ///
    /// ```
    /// use jiff::Timestamp;
    /// use opensearch_directives_core::{DiagLevel, DiagnosticsDirective, DirectiveSet, RequestAttrs};
    ///
    /// let set = DirectiveSet::from_directives(vec![
    ///     DiagnosticsDirective::new("shapes", DiagLevel::Shape, Timestamp::MAX),
    ///     DiagnosticsDirective::new("times", DiagLevel::ShapeTiming, Timestamp::MAX),
    /// ]);
    /// let mut applied = Vec::new();
    /// let attrs = RequestAttrs::default();
    /// let decision = set.evaluate_with(&attrs, Timestamp::UNIX_EPOCH, "request-1", |directive| {
    ///     applied.push(directive.id.to_owned());
    /// });
    /// assert_eq!(decision.level, DiagLevel::ShapeTiming);
    /// applied.sort();
    /// assert_eq!(applied, ["shapes", "times"]);
    /// ```
    pub fn evaluate_with<'a>(
        &'a self,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
        mut applies: impl FnMut(DirectiveRef<'a>),
    ) -> Decision {
        self.evaluate_combinations(ALL_COMBINATIONS, attrs, now, request_id, &mut applies)
    }

    /// Evaluates a request that can name several indices. Pass the part of the path that names the
    /// indices in `attrs.index`, as
    /// [`Endpoint::index_expression`](crate::Endpoint::index_expression) returns it. The
    /// documentation of [`Endpoint`](crate::Endpoint) describes how a path names several indices.
    ///
    /// `evaluate_indices_with` evaluates the request for each index as
    /// [`evaluate_with`](Self::evaluate_with) does, and then combines the decisions. A directive
    /// without an index is passed to `applies` and counted once for the request. A directive with
    /// an index is passed to `applies` and counted once for each time that the path names this
    /// index. `evaluate_indices_with` allocates only if the name of an index is percent-encoded.
    pub fn evaluate_indices_with<'a>(
        &'a self,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
        mut applies: impl FnMut(DirectiveRef<'a>),
    ) -> Decision {
        self.evaluate_each_index(attrs, now, request_id, &mut applies)
    }

    /// Returns the same decision as [`evaluate`](Self::evaluate), and also the ids of the
    /// directives that apply, in the order of the set. Use `explain` only in tests and for output
    /// that people read, because it allocates. Unlike [`evaluate_with`](Self::evaluate_with),
    /// `explain` does not count matches.
    #[must_use]
    pub fn explain(
        &self,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Explanation<'_> {
        let mut explanation = Explanation::default();
        let mut positions = Vec::new();
        if let Some(compiled) = &self.compiled {
            let visit = |position| positions.push(position);
            let counting = Counting::NONE;
            compiled.for_each_applying(ALL_COMBINATIONS, attrs, now, request_id, counting, visit);
        }
        positions.sort_unstable();
        for directive in positions
            .into_iter()
            .filter_map(|position| self.get(position))
        {
            explanation.decision = explanation.decision | Effects::of(directive).decision();
            explanation.directives.push(directive.id);
        }
        explanation
    }

    /// Returns a handle to the same set, with which evaluations count no matches.
    #[must_use]
    pub fn uncounted(&self) -> Self {
        self.counted_by(Counting::default())
    }

    /// Returns each directive of the set, in the order of the set.
    pub fn iter(&self) -> impl Iterator<Item = DirectiveRef<'_>> {
        (0..self.len()).filter_map(|position| self.get(position))
    }

    /// Computes the digest of the set, which reads every directive.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.iter().fold(Digest::default(), Digest::with)
    }

    /// Returns the set as JSON for people and tools, in the form `{"directives":[...]}` and in the
    /// order of the set. The JSON omits the start of a directive that has none, and each target
    /// that a directive does not set. All instants in the JSON are in UTC, in the format RFC 3339.
    /// The field `expired` in the JSON says whether a directive has expired at `now`.
    #[must_use]
    pub fn introspect(&self, now: Timestamp) -> Value {
        introspection_json::introspect(self, now)
    }
}

impl DirectiveSet {
    /// Returns a handle to the same set, whose evaluations count matches in the given counters.
    pub(crate) fn counted_by(&self, counting: Counting) -> Self {
        Self {
            compiled: self.compiled.clone(),
            counting,
        }
    }

    /// Returns true if both handles refer to the same directive set in memory. The method returns
    /// false for two equal sets in different memory.
    #[doc(hidden)]
    #[must_use]
    pub fn is_handle_of(&self, other: &Self) -> bool {
        match (&self.compiled, &other.compiled) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl AsRef<DirectiveSet> for DirectiveSet {
    fn as_ref(&self) -> &DirectiveSet {
        self
    }
}

#[cfg(test)]
impl DirectiveSet {
    /// Returns a weak reference to the set, so that a test can check that the set was freed.
    pub(crate) fn downgrade(&self) -> std::sync::Weak<impl Sized + use<>> {
        self.compiled
            .as_ref()
            .map_or_else(std::sync::Weak::new, Arc::downgrade)
    }
}

/// Formats the set as the list of its directives.
impl fmt::Debug for DirectiveSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectiveSet ")?;
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Creates a set of the given directives in their order, as [`DirectiveSet::from_directives`] does.
impl FromIterator<DiagnosticsDirective> for DirectiveSet {
    #[expect(
        clippy::panic,
        reason = "documented, as the panic of a `Vec` that is too large"
    )]
    fn from_iter<I: IntoIterator<Item = DiagnosticsDirective>>(directives: I) -> Self {
        let directives = directives.into_iter();
        let mut builder = DirectiveSetBuilder::with_capacity(directives.size_hint().0);
        for directive in directives {
            builder.push(directive.as_ref());
        }
        builder.build().unwrap_or_else(|error| panic!("{error}"))
    }
}

#[cfg(test)]
mod tests;
