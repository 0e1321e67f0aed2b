//! Evaluates one request: loads the published set, extracts the attributes of the request, and
//! collects the ids of the directives that apply.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use opensearch_directives_core::DirectiveStore;

use super::applied_directives::{AppliedDirectives, Collected};
use super::extractor::{Extracted, Extractor};
use super::rest_extractor::RestExtractor;
use crate::clock::{Clock, SystemClock};

/// Evaluates requests with a store, an [`Extractor`] and a clock. The default extractor is
/// [`RestExtractor::new`], and the default clock is [`SystemClock`].
///
/// ```
/// use std::sync::Arc;
///
/// use opensearch_directives::tower::{Evaluator, Extracted};
/// use opensearch_directives::{EndpointKind, InMemoryDirectiveStore, RequestAttrs, RequestId};
///
/// #[derive(Clone)]
/// struct Tenant(String);
///
/// let store = Arc::new(InMemoryDirectiveStore::new());
/// let evaluator = Evaluator::new(store).with_extractor_fn(|request| {
///     let mut attrs = RequestAttrs::new("orders", "", EndpointKind::Search);
///     attrs.tenant = request.extensions.get::<Tenant>().map(|tenant| tenant.0.as_str());
///     Extracted::new(attrs, RequestId::default())
/// });
/// let (request, ()) = http::Request::get("/orders/_search").body(())?.into_parts();
/// assert_eq!(evaluator.evaluate(&request), None);
/// # Ok::<(), http::Error>(())
/// ```
pub struct Evaluator<E = RestExtractor> {
    store: Arc<dyn DirectiveStore>,
    clock: Arc<dyn Clock>,
    extractor: E,
}

impl Evaluator {
    /// Creates an evaluator of OpenSearch requests, with the default extractor and the default
    /// clock.
    #[must_use]
    pub fn new(store: Arc<dyn DirectiveStore>) -> Self {
        Self {
            store,
            clock: Arc::new(SystemClock),
            extractor: RestExtractor::new(),
        }
    }
}

impl<E> Evaluator<E> {
    /// Sets the extractor, which obtains the attributes of each request.
    #[must_use]
    pub fn with_extractor<F: Extractor>(self, extractor: F) -> Evaluator<F> {
        Evaluator {
            store: self.store,
            clock: self.clock,
            extractor,
        }
    }

    /// Sets a closure as the extractor, which obtains the attributes of each request.
    #[must_use]
    pub fn with_extractor_fn<F>(self, extract: F) -> Evaluator<F>
    where
        F: for<'a> Fn(&'a Parts) -> Extracted<'a>,
    {
        self.with_extractor(extract)
    }

    /// Sets the clock whose time decides whether a directive has started or expired.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl<E: Extractor> Evaluator<E> {
    /// Evaluates a request with the published set. If no directive applies, the method returns
    /// `None` and does not allocate, unless the name of an index is percent-encoded. If the set is
    /// empty, the method does not call the extractor.
    #[must_use]
    pub fn evaluate(&self, request: &Parts) -> Option<AppliedDirectives> {
        let set = self.store.load();
        if set.is_empty() {
            return None;
        }
        let now = self.clock.now();
        let extracted = self.extractor.extract(request);
        let request_id = extracted.request_id.as_str();
        let mut collected = Collected::default();
        let decision = set.evaluate_indices_with(extracted.attrs(), now, request_id, |directive| {
            collected.add(directive.id);
        });
        collected.finish(decision)
    }
}

impl<E> fmt::Debug for Evaluator<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluator")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
