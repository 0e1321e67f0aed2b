//! The JSON documents whose encoding is the library's: they are described here, and
//! encoded elsewhere.

#![expect(dead_code, reason = "they are descriptions, never constructed")]

use utoipa::ToSchema;

pub(super) use opensearch_directives::{DiagLevel as Level, EndpointKind};

/// A directive as it is published.
#[derive(ToSchema)]
pub(super) struct Directive {
    /// Unique in the index.
    id: String,
    level: Level,
    /// Only requests of this tenant.
    #[schema(nullable = false)]
    tenant: Option<String>,
    /// Only requests for this index.
    #[schema(nullable = false)]
    index: Option<String>,
    /// Only requests of this principal.
    #[schema(nullable = false)]
    principal: Option<String>,
    #[schema(nullable = false)]
    endpoint: Option<EndpointKind>,
    /// How many of a thousand requests, chosen by their ids.
    #[schema(maximum = 1000)]
    sample_per_mille: u16,
    ring_buffer: bool,
    capture: bool,
    /// In a snapshot only: the fields that narrow the directive.
    #[schema(nullable = false)]
    targets: Option<Vec<String>>,
    /// In a snapshot only: always false, since a set has no revoked directive.
    #[schema(nullable = false)]
    revoked: Option<bool>,
    /// The directive applies from this time on; absent in a listing: from the beginning.
    #[schema(nullable = false, format = DateTime)]
    starts_at: Option<String>,
    /// The directive no longer applies from this time on.
    #[schema(format = DateTime)]
    expires_at: String,
    /// In a listing only: whether it had expired, by the agent's clock, when the response was
    /// made.
    #[schema(nullable = false)]
    expired: Option<bool>,
}

/// The published set.
#[derive(ToSchema)]
pub(super) struct Directives {
    /// Identifies the content: equal on all agents that serve the same.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    tag: String,
    /// Ordered by id, expired directives included; null if `known` is this tag.
    #[schema(required)]
    directives: Option<Vec<Directive>>,
}

/// What the directives decide about a request.
#[derive(ToSchema)]
pub(super) struct Decision {
    /// The highest level of the directives that apply.
    level: Level,
    ring_buffer: bool,
    capture: bool,
    /// The ids of the directives that apply.
    directives: Vec<String>,
}

/// One decision for each request, in their order, all by one set and at one instant.
#[derive(ToSchema)]
pub(super) struct Decisions {
    #[schema(max_items = 256)]
    decisions: Vec<Decision>,
}

/// A document that was rejected.
#[derive(ToSchema)]
pub(super) struct Rejection {
    id: String,
    field: String,
    /// The value of the field, shortened.
    value: String,
    /// What is wrong, in snake_case.
    reason: String,
}

/// All that is published.
#[derive(ToSchema)]
pub(super) struct Snapshot {
    #[schema(pattern = "^[0-9a-f]{32}$")]
    digest: String,
    revision: opensearch_directives::status::Revision,
    directives: Vec<Directive>,
    rejected: Vec<Rejection>,
    /// Number of revoked documents, which are not among the directives.
    revoked: usize,
}
