//! An immutable set of directives, and what it says about a request.
//!
//! # What it promises
//!
//! - The cost of [`evaluate`](DirectiveSet::evaluate) does not grow with the number
//!   of directives: one probe for each combination of targets in use (fifteen at
//!   most), and a look at the few directives that target exactly this request and
//!   are not made superfluous by another (`index.rs`).
//! - It gives what a scan of all directives would give, to the nanosecond, over the
//!   whole range of `jiff::Timestamp`. A collision of hashes never widens a
//!   directive: what a probe finds is compared as text.
//! - No allocation, lock, clock read or I/O; the hash of the request's id is
//!   computed at most once, and only when a directive that samples could change the
//!   decision.
//!
//! # How it is kept
//!
//! `record.rs` packs a directive into twenty bytes beside its texts, which `text.rs` keeps
//! in one allocation, each target once. `builder.rs` takes directives one by one into that
//! form, `index.rs` builds the table over it (`table.rs`) and the filter before it
//! (`filter.rs`, which ends most evaluations at one word of memory), both by the hashes of
//! `hash.rs`. `evaluate.rs` asks them; a short text is two words for it (`short.rs`).
//! Of the smallest sets the directives are looked at one by one instead (`few.rs`). The
//! directives stay in the order in which they were added; only the table knows another.
//! `patch.rs` makes the next set of one of which a few directives changed.

mod builder;
mod compiled;
mod effects;
mod evaluate;
mod filter;
mod hash;
mod index;
mod introspect;
mod packed;
mod patch;
mod short_str;
mod small_set;
mod sorted;
mod state_counts;
mod string_arena;
mod table;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::digest::Digest;
use crate::model::directive::{DiagLevel, DiagnosticsDirective, DirectiveRef};
use crate::model::request::RequestAttrs;
use compiled::Compiled;

pub use builder::DirectiveSetBuilder;
pub use patch::Edit;
pub use sorted::RepeatedId;
pub use state_counts::DirectiveStates;

/// What a set of directives says about one request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Decision {
    /// The highest level among the directives that apply, else `Off`.
    pub level: DiagLevel,
    /// Whether any of them asks for the ring buffer.
    pub ring_buffer: bool,
    /// Whether any of them asks for capture.
    pub capture: bool,
}

impl Decision {
    /// The decision with one more directive that applies.
    fn and(self, directive: DirectiveRef<'_>) -> Self {
        Self {
            level: self.level.max(directive.level),
            ring_buffer: self.ring_buffer | directive.ring_buffer,
            capture: self.capture | directive.capture,
        }
    }
}

/// A [`Decision`] with the directives that led to it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Explanation<'a> {
    /// The decision.
    #[serde(flatten)]
    pub decision: Decision,
    /// The ids of the directives that apply, in the set's order.
    pub directives: Vec<&'a str>,
}

/// An immutable set of directives, compiled for lookup.
///
/// A clone is another handle to the same set: one reference count, whatever the
/// number of directives. The set is freed with its last handle.
///
/// An empty set holds no memory. A set of 100,000 directives that target a tenant
/// each takes 38 bytes a directive beside the text of its id and tenant.
//
// Aligned to a cache line because a store keeps one handle for each thread
// (`cache.rs`), each behind its own reference count: two counts in one line would
// make threads contend for it.
#[derive(Clone, Default)]
#[repr(align(64))]
pub struct DirectiveSet {
    compiled: Option<Arc<Compiled>>,
}

impl DirectiveSet {
    /// An empty set: every request evaluates to [`DiagLevel::Off`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A set of these directives, in their order.
    ///
    /// Ids are not required to differ: each entry is a directive of its own, and one
    /// that is in it twice is listed twice. (What is read from an index never
    /// repeats an id.)
    #[must_use]
    pub fn from_directives(directives: Vec<DiagnosticsDirective>) -> Self {
        directives.into_iter().collect()
    }

    /// How many directives it holds, expired ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.compiled
            .as_ref()
            .map_or(0, |compiled| compiled.iter().len())
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.compiled.is_none()
    }

    /// What the set says about a request at an instant: the highest level among the
    /// directives that have started (`starts_at <= now`), have not expired
    /// (`now < expires_at`), match the request and have it in their sample; and
    /// whether any of those asks for the ring buffer or capture.
    ///
    /// # Guarantees
    ///
    /// - The same arguments give the same decision, always: the set never changes,
    ///   and nothing but the arguments is looked at.
    /// - Does not allocate, lock, read a clock or do I/O, and does not panic.
    /// - The cost does not depend on the number of directives: a hash of each
    ///   attribute that any directive targets, one probe for each combination of
    ///   targets in use, and the directives that target exactly this request. An
    ///   expired directive costs a matching request one comparison.
    /// - The request's id is hashed at most once, and only when a directive with a
    ///   rate below 1000 could change the decision.
    ///
    /// A `now` before 1677-09-21 or after 2262-04-11 is answered as exactly, by a
    /// scan of all directives.
    ///
    /// # How to use it
    ///
    /// Evaluate once a request, with one reading of the clock, on a set that was
    /// loaded once: level, ring buffer and capture then belong together.
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
    /// let request = RequestAttrs {
    ///     tenant: Some("acme"),
    ///     index: "orders",
    ///     principal: "checkout",
    ///     endpoint: EndpointKind::Search,
    /// };
    /// assert_eq!(set.evaluate(&request, now, "request-1").level, DiagLevel::Shape);
    /// assert_eq!(set.evaluate(&request, expires_at, "request-1").level, DiagLevel::Off);
    /// # Ok::<(), jiff::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn evaluate(&self, attrs: &RequestAttrs<'_>, now: Timestamp, request_id: &str) -> Decision {
        match &self.compiled {
            Some(compiled) => compiled.evaluate(attrs, now, request_id).decision(),
            None => Decision::default(),
        }
    }

    /// [`evaluate`](Self::evaluate), with the ids of the directives that apply. For
    /// people and tests: it looks at every directive and allocates.
    #[must_use]
    pub fn explain(
        &self,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Explanation<'_> {
        let mut explanation = Explanation::default();
        for directive in self.iter() {
            if directive.applies(attrs, now, request_id) {
                explanation.decision = explanation.decision.and(directive);
                explanation.directives.push(directive.id);
            }
        }
        explanation
    }

    /// The directives, in the set's order.
    pub fn iter(&self) -> impl Iterator<Item = DirectiveRef<'_>> {
        self.compiled
            .as_ref()
            .into_iter()
            .flat_map(|compiled| compiled.iter())
    }

    /// A digest of the content, equal for equal directives whatever their order.
    /// Looks at every directive.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.iter().fold(Digest::default(), Digest::with)
    }

    /// The set as JSON for people and tools: `{"directives": [...]}` in the set's
    /// order. A target or start that is not set is left out; instants are RFC 3339 in
    /// UTC; `expired` is `now >= expires_at`.
    #[must_use]
    pub fn introspect(&self, now: Timestamp) -> Value {
        introspect::introspect(self, now)
    }
}

impl DirectiveSet {
    /// Whether the other is a handle to the same set. (Not: whether it holds the same.)
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
    /// Tells whether the set is still alive.
    pub(crate) fn downgrade(&self) -> std::sync::Weak<impl Sized + use<>> {
        self.compiled
            .as_ref()
            .map_or_else(std::sync::Weak::new, Arc::downgrade)
    }
}

/// Lists the directives.
impl fmt::Debug for DirectiveSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectiveSet ")?;
        f.debug_list().entries(self.iter()).finish()
    }
}

impl FromIterator<DiagnosticsDirective> for DirectiveSet {
    fn from_iter<I: IntoIterator<Item = DiagnosticsDirective>>(directives: I) -> Self {
        let directives = directives.into_iter();
        let mut builder = DirectiveSetBuilder::with_capacity(directives.size_hint().0);
        for directive in directives {
            builder.push(directive.as_ref());
        }
        builder.build()
    }
}

#[cfg(test)]
mod tests;
