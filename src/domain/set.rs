//! An immutable set of directives, and what it says about a request.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::attributes::RequestAttrs;
use super::digest::Digest;
use super::directive::{DiagLevel, DiagnosticsDirective, DirectiveRef};

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

/// An immutable set of directives. A clone is another handle to the same set.
#[derive(Clone, Debug, Default)]
pub struct DirectiveSet {
    directives: Arc<[DiagnosticsDirective]>,
}

impl DirectiveSet {
    /// An empty set: every request evaluates to [`DiagLevel::Off`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A set of these directives, in their order.
    ///
    /// Ids are not required to differ: each entry is a directive of its own.
    /// (What is read from an index never repeats an id.)
    #[must_use]
    pub fn from_directives(directives: Vec<DiagnosticsDirective>) -> Self {
        Self {
            directives: directives.into(),
        }
    }

    /// How many directives it holds, expired ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.directives.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.directives.is_empty()
    }

    /// What the set says about a request at an instant: the highest level among the
    /// directives that have started, have not expired, match the request and have it
    /// in their sample; and whether any of those asks for the ring buffer or capture.
    ///
    /// Does not allocate, lock, read a clock or do I/O.
    #[must_use]
    pub fn evaluate(&self, attrs: &RequestAttrs<'_>, now: Timestamp, request_id: &str) -> Decision {
        self.iter()
            .filter(|directive| directive.applies(attrs, now, request_id))
            .fold(Decision::default(), Decision::and)
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
        self.directives.iter().map(DiagnosticsDirective::as_ref)
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
        let directives: Vec<Value> = self
            .iter()
            .map(|directive| introspect_one(directive, now))
            .collect();
        let mut object = Map::new();
        object.insert("directives".to_owned(), directives.into());
        object.into()
    }
}

fn introspect_one(directive: DirectiveRef<'_>, now: Timestamp) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    put("id", directive.id.into());
    put("level", directive.level.as_str().into());
    for (key, target) in [
        ("tenant", directive.tenant),
        ("index", directive.index),
        ("principal", directive.principal),
        (
            "endpoint",
            directive.endpoint.map(super::EndpointKind::as_str),
        ),
    ] {
        if let Some(target) = target {
            put(key, target.into());
        }
    }
    put("sample_per_mille", directive.sample_per_mille.into());
    put("ring_buffer", directive.ring_buffer.into());
    put("capture", directive.capture.into());
    if let Some(starts_at) = directive.starts_at {
        put("starts_at", starts_at.to_string().into());
    }
    put("expires_at", directive.expires_at.to_string().into());
    put("expired", (now >= directive.expires_at).into());
    object.into()
}

impl AsRef<DirectiveSet> for DirectiveSet {
    fn as_ref(&self) -> &DirectiveSet {
        self
    }
}

impl FromIterator<DiagnosticsDirective> for DirectiveSet {
    fn from_iter<I: IntoIterator<Item = DiagnosticsDirective>>(directives: I) -> Self {
        Self::from_directives(directives.into_iter().collect())
    }
}

/// Builds a [`DirectiveSet`] from borrowed directives, without a copy of each.
#[derive(Debug, Default)]
pub struct DirectiveSetBuilder {
    directives: Vec<DiagnosticsDirective>,
}

impl DirectiveSetBuilder {
    /// A builder with room for about this many directives.
    #[must_use]
    pub fn with_capacity(directives: usize) -> Self {
        Self {
            directives: Vec::with_capacity(directives),
        }
    }

    /// Adds a directive at the end of the set's order.
    pub fn push(&mut self, directive: DirectiveRef<'_>) {
        self.directives.push(directive.to_directive());
    }

    /// The set.
    #[must_use]
    pub fn build(self) -> DirectiveSet {
        DirectiveSet::from_directives(self.directives)
    }
}
