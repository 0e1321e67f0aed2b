//! Defines the result of an evaluation if at least one directive applies. The layer stores the
//! result of the evaluation in the extensions of the request and of the response.

use std::sync::Arc;

use http::Extensions;
use opensearch_directives_core::Decision;

/// The decision about a request, and the ids of the directives that led to it.
///
/// The extensions of a request contain an `AppliedDirectives` only if a directive applies. All
/// clones of an `AppliedDirectives` share the ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppliedDirectives(Arc<Inner>);

#[derive(PartialEq, Eq, Debug)]
struct Inner {
    decision: Decision,
    ids: Vec<Box<str>>,
    has_more: bool,
}

impl AppliedDirectives {
    /// The maximum number of ids in [`ids`](Self::ids). If more than `MAX_IDS` directives apply to
    /// a request, the list of ids is truncated, but the decision includes all directives.
    pub const MAX_IDS: usize = 32;

    /// Returns the `AppliedDirectives` in the extensions of a request or response, or `None` if no
    /// directive applies.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Returns the decision in the extensions of a request or response. If no directive applies,
    /// the level of the decision is `Off`.
    #[must_use]
    pub fn decision_of(extensions: &Extensions) -> Decision {
        Self::of(extensions).map(Self::decision).unwrap_or_default()
    }

    /// Returns the decision about the request: the level, and whether the ring buffer and capture
    /// are on.
    #[must_use]
    pub fn decision(&self) -> Decision {
        self.0.decision
    }

    /// Returns the ids of the directives that apply, in no particular order. If
    /// [`has_more`](Self::has_more) returns true, some ids are missing.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.ids.iter().map(AsRef::as_ref)
    }

    /// Returns true if more than [`MAX_IDS`](Self::MAX_IDS) directives apply, so that
    /// [`ids`](Self::ids) does not contain all of them.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.0.has_more
    }
}

/// Collects the ids of the directives that apply. A collection to which no id was added has
/// allocated no memory.
#[derive(Default)]
pub(super) struct Collected {
    ids: Vec<Box<str>>,
    has_more: bool,
}

impl Collected {
    /// Adds the id of a directive that applies. If a directive applies to several indices of the
    /// request, its id is added only once.
    pub(super) fn add(&mut self, id: &str) {
        if self.ids.iter().any(|known| **known == *id) {
            return;
        }
        if self.ids.len() < AppliedDirectives::MAX_IDS {
            self.ids.push(id.into());
        } else {
            self.has_more = true;
        }
    }

    /// Returns the decision together with the collected ids, or `None` if no directive applies.
    pub(super) fn finish(self, decision: Decision) -> Option<AppliedDirectives> {
        (!self.ids.is_empty()).then(|| {
            AppliedDirectives(Arc::new(Inner {
                decision,
                ids: self.ids,
                has_more: self.has_more,
            }))
        })
    }
}
