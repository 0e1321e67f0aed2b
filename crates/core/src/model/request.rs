//! The attributes and the id of a request. A directive's targets are compared with the attributes,
//! and the id decides whether the request is sampled.

use serde::{Deserialize, Serialize};

use super::named_enum::named_enum;

/// The class of the OpenSearch endpoint to which a request is sent.
///
/// `osproxy-core` 1.0.5 has the same twelve classes with the same names (`EndpointKind::as_str`),
/// so that a directive has the same meaning in this project and in osproxy.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "std::borrow::Cow<'_, str>")]
#[non_exhaustive]
pub enum EndpointKind {
    /// A write of one document: `_doc`, `_create`, `_update`.
    IngestDoc,
    /// A write of many documents: `_bulk`.
    IngestBulk,
    /// A search: `_search`.
    Search,
    /// Several searches in one request: `_msearch`.
    MultiSearch,
    /// A count of the documents that match a query: `_count`.
    Count,
    /// A read of one document by its id: `GET _doc/{id}`.
    GetById,
    /// A read of many documents by their ids: `_mget`.
    MultiGet,
    /// A deletion of one document by its id.
    DeleteById,
    /// A deletion of all documents that match a query: `_delete_by_query`.
    DeleteByQuery,
    /// An operation on a cursor: scroll, point in time.
    Cursor,
    /// Administration: `_cat`, `_cluster` and the like.
    Admin,
    /// An endpoint that belongs to no other class.
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

/// The attributes of one request that directives can target.
///
/// Create the attributes with [`RequestAttrs::new`], and then set the tenant if it is known. Unlike
/// a struct literal, a call of `new` still compiles if a later version adds an attribute to
/// `RequestAttrs`. If a later version adds an attribute and the caller does not set it, the request
/// matches no directive that targets this attribute.
///
/// ```
/// use opensearch_directives_core::{EndpointKind, RequestAttrs};
///
/// let attrs = RequestAttrs::new("orders", "checkout", EndpointKind::Search).with_tenant("acme");
/// assert_eq!(attrs.tenant, Some("acme"));
///
/// // The tenant may be unknown:
/// let tenant: Option<&str> = None;
/// let mut attrs = RequestAttrs::new("orders", "checkout", EndpointKind::Search);
/// attrs.tenant = tenant;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct RequestAttrs<'a> {
    /// The tenant of the request, or `None` if the tenant is not known. A request without a tenant
    /// matches no directive that targets a tenant.
    pub tenant: Option<&'a str>,
    /// The logical index in the request's path, or a list of several indices.
    pub index: &'a str,
    /// The authenticated principal that sent the request.
    pub principal: &'a str,
    /// The class of the endpoint to which the request is sent.
    pub endpoint: EndpointKind,
}

impl<'a> RequestAttrs<'a> {
    /// Creates the attributes of a request without a tenant.
    #[must_use]
    pub const fn new(index: &'a str, principal: &'a str, endpoint: EndpointKind) -> Self {
        Self {
            tenant: None,
            index,
            principal,
            endpoint,
        }
    }

    /// Sets the tenant to which the request belongs.
    #[must_use]
    pub const fn with_tenant(mut self, tenant: &'a str) -> Self {
        self.tenant = Some(tenant);
        self
    }
}

/// Returns the attributes of a request to an unknown endpoint, without a tenant and with an empty
/// index and principal.
impl Default for RequestAttrs<'_> {
    fn default() -> Self {
        Self::new("", "", EndpointKind::Unknown)
    }
}

/// The id of a request, which decides whether the request is sampled.
///
/// [`DirectiveSet::evaluate`](crate::DirectiveSet::evaluate) takes the id of the request as a
/// `&str`. `RequestId` creates the id from the value of a header that may be missing.
///
/// **A client that can choose the id of its request can choose whether the request is sampled.** If
/// clients must not choose which of their requests are sampled, pass an id that the proxy
/// generates.
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
    /// Creates the id of a request from the value of a header such as `X-Request-Id`. The request
    /// has no id if the header is absent or blank. A header value that is not blank becomes the id
    /// without any change.
    #[must_use]
    pub fn from_header(value: Option<&'a str>) -> Self {
        Self(
            value
                .filter(|value| !value.trim().is_empty())
                .unwrap_or_default(),
        )
    }

    /// Returns the id, or an empty string if the request has no id.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// Returns the id as a string, as [`RequestId::as_str`] does.
impl AsRef<str> for RequestId<'_> {
    fn as_ref(&self) -> &str {
        self.0
    }
}
