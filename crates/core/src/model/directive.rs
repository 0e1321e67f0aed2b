//! A directive: its targets, its level and effects, and the period in which it applies.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::named_enum::named_enum;
use super::request::{EndpointKind, RequestAttrs};
use super::sampling::{self, ALWAYS};

/// The amount of diagnostics to record for a request. Each level records more than the level that
/// is declared before it.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(into = "&'static str", try_from = "std::borrow::Cow<'_, str>")]
#[non_exhaustive]
pub enum DiagLevel {
    /// Records no diagnostics.
    #[default]
    Off,
    /// Records only the shape of a request: ids, names and sizes.
    Shape,
    /// Records the shape of a request, and the duration of each stage of its processing.
    ShapeTiming,
    /// Records the shape, the durations, and how a rewrite changed the shape. Never records values.
    ShapeRewriteDiff,
}

named_enum!(
    DiagLevel,
    UnknownDiagLevel,
    "a level",
    Off,
    Shape,
    ShapeTiming,
    ShapeRewriteDiff
);

/// Says which requests match a directive.
///
/// A request matches if **every target of the directive** equals the corresponding attribute of the
/// request. A target that is not set matches every request.
///
/// Create a `DirectiveMatch` with [`DirectiveMatch::all`] and then add targets, so that the code
/// still compiles if a later version adds a target field:
///
/// ```
/// use opensearch_directives_core::{DirectiveMatch, EndpointKind};
///
/// let searches = DirectiveMatch::all()
///     .for_tenant("acme")
///     .for_endpoint(EndpointKind::Search);
/// assert_eq!(searches.index, None);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub struct DirectiveMatch {
    /// The tenant whose requests match; `None` if the directive targets no tenant.
    pub tenant: Option<String>,
    /// The index whose requests match; `None` if the directive targets no index.
    pub index: Option<String>,
    /// The principal whose requests match; `None` if the directive targets no principal.
    pub principal: Option<String>,
    /// The class of endpoint whose requests match; `None` if the directive targets no endpoint.
    pub endpoint: Option<EndpointKind>,
}

impl DirectiveMatch {
    /// Returns a `DirectiveMatch` in which no target is set, so every request matches it.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Sets the target `tenant`, so that only requests of this tenant match the directive.
    #[must_use]
    pub fn for_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Sets the target `index`, so that only requests to this index match the directive.
    #[must_use]
    pub fn for_index(mut self, index: impl Into<String>) -> Self {
        self.index = Some(index.into());
        self
    }

    /// Sets the target `principal`, so that only requests of this principal match the directive.
    #[must_use]
    pub fn for_principal(mut self, principal: impl Into<String>) -> Self {
        self.principal = Some(principal.into());
        self
    }

    /// Sets the target `endpoint`, so that only requests to this class of endpoint match.
    #[must_use]
    pub fn for_endpoint(mut self, endpoint: EndpointKind) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Returns true if a request with the given attributes matches every target of the directive.
    #[must_use]
    pub fn matches(&self, attrs: &RequestAttrs<'_>) -> bool {
        Targets {
            tenant: self.tenant.as_deref(),
            index: self.index.as_deref(),
            principal: self.principal.as_deref(),
            endpoint: self.endpoint,
        }
        .match_(attrs)
    }
}

/// The targets of a directive, with borrowed strings.
struct Targets<'a> {
    tenant: Option<&'a str>,
    index: Option<&'a str>,
    principal: Option<&'a str>,
    endpoint: Option<EndpointKind>,
}

impl Targets<'_> {
    /// Returns true if every target that is set equals the corresponding attribute of the request.
    fn match_(&self, attrs: &RequestAttrs<'_>) -> bool {
        self.tenant
            .is_none_or(|tenant| attrs.tenant == Some(tenant))
            && self.index.is_none_or(|index| index == attrs.index)
            && self
                .principal
                .is_none_or(|principal| principal == attrs.principal)
            && self
                .endpoint
                .is_none_or(|endpoint| endpoint == attrs.endpoint)
    }
}

/// An instruction to a proxy to record more about some requests for a limited time.
///
/// Create a directive with [`DiagnosticsDirective::new`] and its `with_` methods, so that the code
/// still compiles if a later version adds a field:
///
/// ```
/// use jiff::Timestamp;
/// use opensearch_directives_core::{DiagLevel, DiagnosticsDirective, DirectiveMatch};
///
/// let expires_at: Timestamp = "2030-01-01T00:15:00Z".parse()?;
/// let directive = DiagnosticsDirective::new("slow-acme", DiagLevel::ShapeTiming, expires_at)
///     .with_match(DirectiveMatch::all().for_tenant("acme"))
///     .with_sample_per_mille(50);
/// assert_eq!(directive.sample_per_mille, 50);
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct DiagnosticsDirective {
    /// The directive's name, which is the document's `_id` if the directive comes from an index.
    pub id: String,
    /// The targets, which say which requests match the directive.
    pub match_: DirectiveMatch,
    /// The level: how much a proxy records about a request.
    pub level: DiagLevel,
    /// The sample rate: how many of every thousand matching requests are recorded. A sample rate of
    /// `0` means none, and `1000` or more means all.
    pub sample_per_mille: u16,
    /// The instant at which the directive starts to apply; `None` if it applies immediately.
    pub starts_at: Option<Timestamp>,
    /// The instant at which the directive stops applying.
    pub expires_at: Timestamp,
    /// Whether a proxy stores the matching requests in its local ring buffer.
    pub ring_buffer: bool,
    /// Whether a proxy copies the matching requests and responses to the fleet's capture sink.
    pub capture: bool,
}

impl DiagnosticsDirective {
    /// Creates a directive that targets every request, records all of them and starts immediately.
    #[must_use]
    pub fn new(id: impl Into<String>, level: DiagLevel, expires_at: Timestamp) -> Self {
        Self {
            id: id.into(),
            match_: DirectiveMatch::all(),
            level,
            sample_per_mille: ALWAYS,
            starts_at: None,
            expires_at,
            ring_buffer: false,
            capture: false,
        }
    }

    /// Sets the targets, which say which requests match the directive.
    #[must_use]
    pub fn with_match(mut self, match_: DirectiveMatch) -> Self {
        self.match_ = match_;
        self
    }

    /// Sets the sample rate: how many of every thousand matching requests are recorded.
    #[must_use]
    pub fn with_sample_per_mille(mut self, sample_per_mille: u16) -> Self {
        self.sample_per_mille = sample_per_mille;
        self
    }

    /// Sets the instant at which the directive starts to apply.
    #[must_use]
    pub fn with_starts_at(mut self, starts_at: Timestamp) -> Self {
        self.starts_at = Some(starts_at);
        self
    }

    /// Sets whether a proxy stores the matching requests in its local ring buffer.
    #[must_use]
    pub fn with_ring_buffer(mut self, ring_buffer: bool) -> Self {
        self.ring_buffer = ring_buffer;
        self
    }

    /// Sets whether a proxy copies the matching requests and responses to the capture sink.
    #[must_use]
    pub fn with_capture(mut self, capture: bool) -> Self {
        self.capture = capture;
        self
    }

    /// Returns this directive as a [`DirectiveRef`], which borrows its strings.
    #[must_use]
    pub fn as_ref(&self) -> DirectiveRef<'_> {
        DirectiveRef {
            id: &self.id,
            tenant: self.match_.tenant.as_deref(),
            index: self.match_.index.as_deref(),
            principal: self.match_.principal.as_deref(),
            endpoint: self.match_.endpoint,
            level: self.level,
            sample_per_mille: self.sample_per_mille,
            starts_at: self.starts_at,
            expires_at: self.expires_at,
            ring_buffer: self.ring_buffer,
            capture: self.capture,
        }
    }
}

/// Whether a directive is scheduled, active or expired at a given instant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DirectiveState {
    /// The directive has not started yet, so it applies to no request.
    Scheduled,
    /// The directive has started and has not expired, so it applies to the matching requests.
    Active,
    /// The directive has expired, so it applies to no request.
    Expired,
}

/// A [`DiagnosticsDirective`] with borrowed strings.
/// [`DirectiveSetBuilder`](crate::DirectiveSetBuilder) takes `DirectiveRef`s, and a directive set's
/// iterator returns them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DirectiveRef<'a> {
    /// The name of the directive, as in [`DiagnosticsDirective::id`].
    pub id: &'a str,
    /// The tenant that the directive targets, as in [`DirectiveMatch::tenant`].
    pub tenant: Option<&'a str>,
    /// The index that the directive targets, as in [`DirectiveMatch::index`].
    pub index: Option<&'a str>,
    /// The principal that the directive targets, as in [`DirectiveMatch::principal`].
    pub principal: Option<&'a str>,
    /// The class of endpoint that the directive targets, as in [`DirectiveMatch::endpoint`].
    pub endpoint: Option<EndpointKind>,
    /// How much a proxy records about a request, as in [`DiagnosticsDirective::level`].
    pub level: DiagLevel,
    /// The sample rate, as in [`DiagnosticsDirective::sample_per_mille`].
    pub sample_per_mille: u16,
    /// The start of the directive, as in [`DiagnosticsDirective::starts_at`].
    pub starts_at: Option<Timestamp>,
    /// The expiry of the directive, as in [`DiagnosticsDirective::expires_at`].
    pub expires_at: Timestamp,
    /// Whether the directive requests the ring buffer, as in [`DiagnosticsDirective::ring_buffer`].
    pub ring_buffer: bool,
    /// Whether the directive requests capture, as in [`DiagnosticsDirective::capture`].
    pub capture: bool,
}

impl DirectiveRef<'_> {
    /// Returns a copy of this directive as a [`DiagnosticsDirective`], which owns its strings.
    #[must_use]
    pub fn to_directive(self) -> DiagnosticsDirective {
        DiagnosticsDirective {
            id: self.id.to_owned(),
            match_: DirectiveMatch {
                tenant: self.tenant.map(str::to_owned),
                index: self.index.map(str::to_owned),
                principal: self.principal.map(str::to_owned),
                endpoint: self.endpoint,
            },
            level: self.level,
            sample_per_mille: self.sample_per_mille,
            starts_at: self.starts_at,
            expires_at: self.expires_at,
            ring_buffer: self.ring_buffer,
            capture: self.capture,
        }
    }

    /// Returns whether the directive is scheduled, active or expired at an instant. A directive
    /// whose expiry has passed is expired, even if its start is still in the future.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> DirectiveState {
        if now >= self.expires_at {
            DirectiveState::Expired
        } else if self.starts_at.is_some_and(|starts_at| now < starts_at) {
            DirectiveState::Scheduled
        } else {
            DirectiveState::Active
        }
    }

    /// Returns true if the directive has started and has not expired, that is, if
    /// `starts_at <= now < expires_at`.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.state(now) == DirectiveState::Active
    }

    /// Returns true if a request with the given attributes matches every target of the directive.
    #[must_use]
    pub fn matches(&self, attrs: &RequestAttrs<'_>) -> bool {
        Targets {
            tenant: self.tenant,
            index: self.index,
            principal: self.principal,
            endpoint: self.endpoint,
        }
        .match_(attrs)
    }

    /// Returns true if the directive is active, the request matches it, and the request is in its
    /// sample.
    #[must_use]
    pub fn applies(&self, attrs: &RequestAttrs<'_>, now: Timestamp, request_id: &str) -> bool {
        self.is_active(now)
            && self.matches(attrs)
            && sampling::is_sampled(self.sample_per_mille, request_id)
    }
}
