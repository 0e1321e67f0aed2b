//! Classifies the method and path of an OpenSearch request, so that every proxy derives the same
//! endpoint kind and the same indices from a request.

use std::borrow::Cow;

use super::index_names::index_names;
use super::request::EndpointKind;

/// The endpoint kind of a request, and the indices that the request's path names.
///
/// osproxy 1.0.5 classifies requests by the same rules (`osproxy_transport::classify`), so a
/// directive has the same meaning in every proxy. A path that osproxy does not know, for example
/// `/{index}/_update/{id}`, has the endpoint kind [`Unknown`](EndpointKind::Unknown).
///
/// # Several indices
///
/// A path can name several indices, separated by commas, as in `/customers,orders/_search`. The
/// decision about a request to several indices combines the decisions about each index. The
/// combined decision has the highest level of all decisions, and requests the ring buffer or
/// capture if at least one decision does.
/// [`evaluate_indices_with`](crate::DirectiveSet::evaluate_indices_with) evaluates a request for
/// each index in its path, and combines the decisions:
///
/// ```
/// use jiff::Timestamp;
/// use opensearch_directives_core::{
///     DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet, Endpoint, RequestAttrs,
/// };
///
/// let set = DirectiveSet::from_directives(vec![
///     DiagnosticsDirective::new("orders", DiagLevel::Shape, Timestamp::MAX)
///         .with_match(DirectiveMatch::all().for_index("orders")),
/// ]);
/// let endpoint = Endpoint::of("POST", "/customers,orders/_search?size=1");
/// let attrs = RequestAttrs::new(endpoint.index_expression(), "checkout", endpoint.kind());
/// let now = Timestamp::UNIX_EPOCH;
/// let decision = set.evaluate_indices_with(&attrs, now, "request-1", |directive| {
///     assert_eq!(directive.id, "orders");
/// });
/// assert_eq!(decision.level, DiagLevel::Shape);
/// ```
///
/// (osproxy itself treats `customers,orders` as the name of one index.
/// [`index_expression`](Self::index_expression) returns `customers,orders` undivided.)
///
/// # Rules
///
/// - **A wildcard is a name.** A request to `logs-*` matches a directive whose index is `logs-*`,
///   but no directive whose index is `logs-1`, because a proxy does not know which indices exist. A
///   request to `_all`, to an alias or to a date-math expression also matches only a directive
///   whose index is exactly the same string.
/// - **A request without an index** has the index `""`, so it matches no directive that targets an
///   index. The classification ignores the indices in the body of a request (`_bulk`, `_mget`,
///   `_msearch`).
/// - **A request without a principal** matches no directive that targets a principal. A request
///   without a tenant matches no directive that targets a tenant. Use `""` for a missing principal,
///   and `None` for a missing tenant.
/// - **Index names are percent-decoded**, as in OpenSearch. For example, `/%6Frders/_search` is a
///   request to `orders`, and `/a%2Cb/_search` is a request to `a` and `b`. The classification
///   decodes only index names, so pass the path to [`of`](Self::of) exactly as the client sent it.
///   (osproxy does not decode index names.)
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Endpoint<'a> {
    kind: EndpointKind,
    index_expression: &'a str,
}

impl<'a> Endpoint<'a> {
    /// Classifies an OpenSearch request by its method and its path. The HTTP method must be in
    /// upper case. The classification ignores the query string of the path.
    #[must_use]
    pub fn of(method: &str, path: &'a str) -> Self {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        let first = segments.next().unwrap_or_default();
        let rest = [segments.next(), segments.next(), segments.next()];
        let named = match rest {
            [None, ..] => kind_without_index(first),
            [Some("scroll" | "point_in_time"), None, _] | [Some("scroll"), Some(_), None]
                if first == "_search" =>
            {
                Some((EndpointKind::Cursor, ""))
            }
            [Some(verb), id, None] => kind_with_index(method, verb, id).map(|kind| (kind, first)),
            _ => None,
        };
        let (kind, index_expression) = named.unwrap_or(match first {
            "_cat" | "_cluster" | "_nodes" => (EndpointKind::Admin, ""),
            _ => (EndpointKind::Unknown, first),
        });
        Self {
            kind,
            index_expression,
        }
    }

    /// Returns the class of the endpoint to which the request is sent.
    #[must_use]
    pub const fn kind(&self) -> EndpointKind {
        self.kind
    }

    /// Returns the undecoded part of the path that names the indices, or `""` if the path names no
    /// index.
    #[must_use]
    pub const fn index_expression(&self) -> &'a str {
        self.index_expression
    }

    /// Returns the percent-decoded names of the indices in the path, or one empty name if the path
    /// names no index.
    pub fn indices(&self) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        index_names(self.index_expression)
    }
}

/// Classifies a request whose path consists of only one segment, such as `/_search`.
fn kind_without_index(segment: &str) -> Option<(EndpointKind, &str)> {
    let kind = match segment {
        "_search" => EndpointKind::Search,
        "_mget" => EndpointKind::MultiGet,
        "_msearch" => EndpointKind::MultiSearch,
        "_bulk" => EndpointKind::IngestBulk,
        _ => return None,
    };
    Some((kind, ""))
}

/// Classifies a request to an index, by its method and by the path segments after the index.
fn kind_with_index(method: &str, verb: &str, id: Option<&str>) -> Option<EndpointKind> {
    Some(match (verb, id) {
        ("_doc" | "_create", Some(_)) => match method {
            "GET" | "HEAD" => EndpointKind::GetById,
            "DELETE" => EndpointKind::DeleteById,
            "PUT" | "POST" => EndpointKind::IngestDoc,
            _ => EndpointKind::Unknown,
        },
        ("_doc", None) => match method {
            "PUT" | "POST" => EndpointKind::IngestDoc,
            _ => EndpointKind::Unknown,
        },
        ("_search", Some("point_in_time")) => EndpointKind::Cursor,
        ("_search", None) => EndpointKind::Search,
        ("_count", None) => EndpointKind::Count,
        ("_mget", None) => EndpointKind::MultiGet,
        ("_msearch", None) => EndpointKind::MultiSearch,
        ("_bulk", None) => EndpointKind::IngestBulk,
        ("_delete_by_query", None) => EndpointKind::DeleteByQuery,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
