//! Describes the JSON documents that the library encodes. The types in this file are used only to
//! generate the OpenAPI description.

#![expect(dead_code, reason = "they are descriptions, never constructed")]

use utoipa::ToSchema;

pub(super) use opensearch_directives::{DiagLevel as Level, EndpointKind};

/// A directive in the form in which the agent publishes it.
#[derive(ToSchema)]
pub(super) struct Directive {
    /// The id, which is unique in the index.
    id: String,
    level: Level,
    /// The directive matches only requests of this tenant.
    #[schema(nullable = false)]
    tenant: Option<String>,
    /// The directive matches only requests to this index.
    #[schema(nullable = false)]
    index: Option<String>,
    /// The directive matches only requests of this principal.
    #[schema(nullable = false)]
    principal: Option<String>,
    #[schema(nullable = false)]
    endpoint: Option<EndpointKind>,
    /// The directive applies to this number of requests in a thousand. The id of a request decides
    /// whether the directive applies to it.
    #[schema(maximum = 1000)]
    sample_per_mille: u16,
    ring_buffer: bool,
    capture: bool,
    /// The names of the targeted fields. Only a snapshot contains this field.
    #[schema(nullable = false)]
    targets: Option<Vec<String>>,
    /// Always false, because a set contains no revoked directive. Only a snapshot contains this
    /// field.
    #[schema(nullable = false)]
    revoked: Option<bool>,
    /// The signatures of the directive, if it has any. Only a snapshot contains this field.
    #[schema(nullable = false)]
    signatures: Option<Vec<String>>,
    /// The directive applies from this time on. In a listing, the field is absent if no start is
    /// set.
    #[schema(nullable = false, format = DateTime)]
    starts_at: Option<String>,
    /// The directive no longer applies at or after this time.
    #[schema(format = DateTime)]
    expires_at: String,
    /// Whether the directive had expired at the time of the response, by the agent's clock. Only a
    /// listing contains this field.
    #[schema(nullable = false)]
    expired: Option<bool>,
}

/// The published set.
#[derive(ToSchema)]
pub(super) struct Directives {
    /// The tag identifies the content of the set. Agents with the same set return the same tag.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    tag: String,
    /// The directives in the order of their ids, including expired ones; null if `known` equals the
    /// tag.
    #[schema(required)]
    directives: Option<Vec<Directive>>,
}

/// What the directives decide for one request: the level, and the directives that apply.
#[derive(ToSchema)]
pub(super) struct Decision {
    /// The highest level of the directives that apply.
    level: Level,
    ring_buffer: bool,
    capture: bool,
    /// The ids of the directives that apply.
    directives: Vec<String>,
}

/// One decision for each request, in the order of the requests. All decisions are made with the
/// same set and for the same instant.
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
    /// The value of the field, shortened if it is long.
    value: String,
    /// The kind of the problem, in snake_case.
    reason: String,
}

/// Everything that is published together.
#[derive(ToSchema)]
pub(super) struct Snapshot {
    #[schema(pattern = "^[0-9a-f]{32}$")]
    digest: String,
    revision: opensearch_directives::status::Revision,
    directives: Vec<Directive>,
    rejected: Vec<Rejection>,
    /// The number of revoked documents. The field `directives` does not contain revoked documents.
    revoked: usize,
}

/// The differences between two snapshots of the same index.
#[derive(ToSchema)]
pub(super) struct SnapshotDelta {
    /// The digest of the snapshot after the differences have been applied.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    digest: String,
    revision: opensearch_directives::status::Revision,
    /// The directives that were added or changed.
    changed: Vec<Directive>,
    /// The ids of the directives that were removed.
    removed: Vec<String>,
    /// All rejected documents; null if they did not change.
    #[schema(required)]
    rejected: Option<Vec<Rejection>>,
    /// The number of revoked documents.
    revoked: usize,
}
