//! What a request carries that a directive can target.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The class of a request's endpoint.
///
/// The twelve classes and their names are those of `osproxy-core` 1.0.5
/// (`EndpointKind::as_str`), so that a directive means the same to both.
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
    /// The life of a cursor: scroll, point in time.
    Cursor,
    /// Administration: `_cat`, `_cluster` and the like.
    Admin,
    /// None of the others.
    Unknown,
}

impl EndpointKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 12] = [
        Self::IngestDoc,
        Self::IngestBulk,
        Self::Search,
        Self::MultiSearch,
        Self::Count,
        Self::GetById,
        Self::MultiGet,
        Self::DeleteById,
        Self::DeleteByQuery,
        Self::Cursor,
        Self::Admin,
        Self::Unknown,
    ];

    /// The kind's stable name, the same as the variant's.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IngestDoc => "IngestDoc",
            Self::IngestBulk => "IngestBulk",
            Self::Search => "Search",
            Self::MultiSearch => "MultiSearch",
            Self::Count => "Count",
            Self::GetById => "GetById",
            Self::MultiGet => "MultiGet",
            Self::DeleteById => "DeleteById",
            Self::DeleteByQuery => "DeleteByQuery",
            Self::Cursor => "Cursor",
            Self::Admin => "Admin",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for EndpointKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for EndpointKind {
    type Err = UnknownEndpointKind;

    /// Parses the exact name; case matters.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or(UnknownEndpointKind)
    }
}

impl From<EndpointKind> for &'static str {
    fn from(kind: EndpointKind) -> Self {
        kind.as_str()
    }
}

impl TryFrom<std::borrow::Cow<'_, str>> for EndpointKind {
    type Error = UnknownEndpointKind;

    fn try_from(name: std::borrow::Cow<'_, str>) -> Result<Self, Self::Error> {
        name.parse()
    }
}

/// The text is not the name of an [`EndpointKind`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "is not an endpoint kind; write one of IngestDoc, IngestBulk, Search, MultiSearch, Count, \
     GetById, MultiGet, DeleteById, DeleteByQuery, Cursor, Admin, Unknown"
)]
pub struct UnknownEndpointKind;

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

/// The id of a request, by which it is in a sample or not.
///
/// [`DirectiveSet::evaluate`](crate::DirectiveSet::evaluate) takes it as a `&str`; this type
/// says what to pass where a request has none.
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
