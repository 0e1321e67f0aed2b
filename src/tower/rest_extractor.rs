//! Extracts the attributes of an OpenSearch request. The endpoint and the index come from the
//! method and the path of the request. The tenant, the principal and the request id come from
//! headers of the request.

use http::request::Parts;
use http::{HeaderMap, HeaderName};
use opensearch_directives_core::{Endpoint, RequestAttrs, RequestId};

use super::extractor::{Extracted, Extractor};

/// Extracts the class of the endpoint and the index from the path of an OpenSearch request, and the
/// other attributes from headers.
///
/// | attribute | source | if it is absent, empty, repeated or not UTF-8 |
/// |---|---|---|
/// | endpoint | method and path, by the rules of [`Endpoint`] | `Unknown` |
/// | index | the path, by the rules of [`Endpoint`]; the request is evaluated for each name in a list | empty |
/// | tenant | the header of [`with_tenant_header`](Self::with_tenant_header) | no tenant |
/// | principal | the header of [`with_principal_header`](Self::with_principal_header) | empty |
/// | request id | `X-Request-Id`, or the header of [`with_request_id_header`](Self::with_request_id_header) | in no sample below 1000 |
///
/// **Take the tenant and the principal only from headers that the authentication in front of the
/// layer sets**, and that the authentication removes from clients' requests. A client that can set
/// the header of the request id can choose whether its request is sampled.
#[derive(Clone, Debug)]
pub struct RestExtractor {
    tenant: Option<HeaderName>,
    principal: Option<HeaderName>,
    request_id: HeaderName,
}

impl RestExtractor {
    /// Creates an extractor that takes the request id from `X-Request-Id`, and extracts neither a
    /// tenant nor a principal.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tenant: None,
            principal: None,
            request_id: HeaderName::from_static("x-request-id"),
        }
    }

    /// Makes the extractor take the tenant from the given header.
    #[must_use]
    pub fn with_tenant_header(mut self, header: HeaderName) -> Self {
        self.tenant = Some(header);
        self
    }

    /// Makes the extractor take the principal from the given header.
    #[must_use]
    pub fn with_principal_header(mut self, header: HeaderName) -> Self {
        self.principal = Some(header);
        self
    }

    /// Makes the extractor take the request id from the given header.
    #[must_use]
    pub fn with_request_id_header(mut self, header: HeaderName) -> Self {
        self.request_id = header;
        self
    }

    /// Extracts the attributes of a request whose method and path were forwarded, for example in
    /// headers. The forwarded path must be exactly as the client sent it, and may contain a query.
    #[must_use]
    pub fn extract_forwarded<'a>(
        &self,
        method: &str,
        path: &'a str,
        headers: &'a HeaderMap,
    ) -> Extracted<'a> {
        let endpoint = Endpoint::of(method, path);
        let principal = value(headers, self.principal.as_ref()).unwrap_or_default();
        let mut attrs = RequestAttrs::new(endpoint.index_expression(), principal, endpoint.kind());
        attrs.tenant = value(headers, self.tenant.as_ref());
        let request_id = RequestId::from_header(value(headers, Some(&self.request_id)));
        Extracted::new(attrs, request_id)
    }
}

impl Default for RestExtractor {
    fn default() -> Self {
        Self::new()
    }
}

impl Extractor for RestExtractor {
    fn extract<'a>(&'a self, request: &'a Parts) -> Extracted<'a> {
        self.extract_forwarded(
            request.method.as_str(),
            request.uri.path(),
            &request.headers,
        )
    }
}

/// Returns the value of a header; `None` if the header is absent, empty, repeated or not UTF-8. A
/// header that occurs twice counts as absent, because the proxy and a server behind it may use
/// different values.
fn value<'a>(headers: &'a HeaderMap, name: Option<&HeaderName>) -> Option<&'a str> {
    let mut values = headers.get_all(name?).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    // Header values with bytes outside ASCII are decoded as UTF-8, because the targets of
    // directives are UTF-8, too.
    let value = std::str::from_utf8(value.as_bytes()).ok()?;
    Some(value).filter(|value| !value.is_empty())
}
