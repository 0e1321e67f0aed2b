//! The attributes of a request that a directive can target, its endpoint kind and its id.

use serde::{Deserialize, Serialize};

use super::named_enum::named_enum;

/// The class of a request's endpoint.
///
/// The twelve classes and their names are those of `osproxy-core` 1.0.5
/// (`EndpointKind::as_str`), so that a directive
/// has the same meaning for both.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "std::borrow::Cow<'_, str>")]
#[non_exhaustive]
pub enum EndpointKind {
    /// One document written: `_doc`, `_create`, `_update`.
    IngestDoc,
    /// Many documents written: `_bulk`.
    IngestBulk,
    /// `_search`.
    Search,
    /// `_msearch`.
    MultiSearch,
    /// `_count`.
    Count,
    /// One document read by its id: `GET _doc/{id}`.
    GetById,
    /// Many documents read by their ids: `_mget`.
    MultiGet,
    /// One document deleted by its id.
    DeleteById,
    /// `_delete_by_query`.
    DeleteByQuery,
    /// Operations on a cursor: scroll, point in time.
    Cursor,
    /// Administration: `_cat`, `_cluster` and the like.
    Admin,
    /// None of the others.
    Unknown,
}

named_enum!(
    EndpointKind,
    UnknownEndpointKind,
    "an endpoint kind",
    IngestDoc,
    IngestBulk,
    Search,
    MultiSearch,
    Count,
    GetById,
    MultiGet,
    DeleteById,
    DeleteByQuery,
    Cursor,
    Admin,
    Unknown
);

/// The attributes of one request that a directive can target, borrowed from the request.
///
/// A proxy that always knows all attributes can write a literal: should a later version add
/// an attribute, the compiler then points at it. Code that should go on compiling in that case
/// uses [`new`](Self::new) and the `with_` methods.
///
/// ```
/// use opensearch_directives_core::{EndpointKind, RequestAttrs};
///
/// let attrs = RequestAttrs::new("orders", "checkout", EndpointKind::Search).with_tenant("acme");
/// let literal = RequestAttrs {
///     tenant: Some("acme"),
///     index: "orders",
///     principal: "checkout",
///     endpoint: EndpointKind::Search,
/// };
/// assert_eq!(attrs, literal);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestAttrs<'a> {
    /// The tenant, once it is known; `None` matches no directive that names one.
    pub tenant: Option<&'a str>,
    /// The logical index of the request's path.
    pub index: &'a str,
    /// The authenticated principal.
    pub principal: &'a str,
    /// The class of the endpoint.
    pub endpoint: EndpointKind,
}

impl<'a> RequestAttrs<'a> {
    /// The attributes of a request without a tenant.
    #[must_use]
    pub const fn new(index: &'a str, principal: &'a str, endpoint: EndpointKind) -> Self {
        Self {
            tenant: None,
            index,
            principal,
            endpoint,
        }
    }

    /// Sets the tenant.
    #[must_use]
    pub const fn with_tenant(mut self, tenant: &'a str) -> Self {
        self.tenant = Some(tenant);
        self
    }
}

/// A request without a tenant, with an empty index and principal, to an unknown endpoint.
impl Default for RequestAttrs<'_> {
    fn default() -> Self {
        Self::new("", "", EndpointKind::Unknown)
    }
}

/// The id of a request, which decides whether the request is in a sample.
///
/// [`DirectiveSet::evaluate`](crate::DirectiveSet::evaluate) takes it as a `&str`; this type
/// also handles a request that has no id.
///
/// **A client that chooses its request's id chooses whether the request is sampled.** Where
/// that matters, pass an id that the proxy generates.
///
/// ```
/// use opensearch_directives_core::RequestId;
///
/// assert_eq!(RequestId::from_header(Some("3f2b8c1e")).as_str(), "3f2b8c1e");
/// // A request without an id is in no sample below 1000 per mille.
/// assert_eq!(RequestId::from_header(None).as_str(), "");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct RequestId<'a>(&'a str);

impl<'a> RequestId<'a> {
    /// The value of a header such as `X-Request-Id`, if the request has one. The value is
    /// used as it is; a blank one counts as none.
    #[must_use]
    pub fn from_header(value: Option<&'a str>) -> Self {
        Self(
            value
                .filter(|value| !value.trim().is_empty())
                .unwrap_or_default(),
        )
    }

    /// The id, empty if the request has none.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// As [`RequestId::as_str`].
impl AsRef<str> for RequestId<'_> {
    fn as_ref(&self) -> &str {
        self.0
    }
}
