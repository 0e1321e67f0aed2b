//! Defines the trait through which the layer obtains the attributes of a request.

use http::request::Parts;
use opensearch_directives_core::{RequestAttrs, RequestId};

/// Obtains the attributes of a request from its method, URI, headers and extensions.
///
/// [`RestExtractor`](super::RestExtractor) implements this trait, and so does every closure that
/// converts the parts of a request into its attributes. Pass a closure to
/// [`Evaluator::with_extractor_fn`](super::Evaluator::with_extractor_fn), so that the compiler
/// infers the closure's lifetimes.
///
/// An extractor cannot return an error. An extractor should leave out an attribute that it does not
/// know, because a request without this attribute can only match fewer directives.
pub trait Extractor {
    /// Returns the attributes of the request.
    fn extract<'a>(&'a self, request: &'a Parts) -> Extracted<'a>;
}

impl<F> Extractor for F
where
    F: for<'a> Fn(&'a Parts) -> Extracted<'a>,
{
    fn extract<'a>(&'a self, request: &'a Parts) -> Extracted<'a> {
        self(request)
    }
}

/// The attributes of one request, and the request id that decides whether the request is sampled.
///
/// `RequestAttrs::index` may name several indices as a path does (`GET /orders,items/_search`): the
/// names are separated by commas, and may be percent-encoded. The evaluator evaluates the published
/// set for each name with
/// [`evaluate_indices_with`](opensearch_directives_core::DirectiveSet::evaluate_indices_with).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Extracted<'a> {
    pub(super) attrs: RequestAttrs<'a>,
    pub(super) request_id: RequestId<'a>,
}

impl<'a> Extracted<'a> {
    /// Creates the result of an extraction from the attributes and the id of a request.
    #[must_use]
    pub const fn new(attrs: RequestAttrs<'a>, request_id: RequestId<'a>) -> Self {
        Self { attrs, request_id }
    }

    /// Returns the attributes of the request. The field `index` of the attributes may name several
    /// indices.
    #[must_use]
    pub const fn attrs(&self) -> &RequestAttrs<'a> {
        &self.attrs
    }

    /// Returns the request id, which decides whether the request is sampled.
    #[must_use]
    pub const fn request_id(&self) -> RequestId<'a> {
        self.request_id
    }
}
