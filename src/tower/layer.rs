//! Implements the layer, the layer's service, and the future of the service. The future of the
//! service copies the result of the evaluation into the extensions of the response.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::applied_directives::AppliedDirectives;
use super::evaluator::Evaluator;
use super::extractor::Extractor;
use super::rest_extractor::RestExtractor;

/// A `tower` layer that evaluates each request once. The documentation of the [module](super)
/// contains an example.
#[derive(Debug)]
pub struct DirectivesLayer<E = RestExtractor> {
    evaluator: Arc<Evaluator<E>>,
}

impl<E> DirectivesLayer<E> {
    /// Creates a layer that evaluates each request with the given evaluator.
    #[must_use]
    pub fn new(evaluator: Evaluator<E>) -> Self {
        Self {
            evaluator: Arc::new(evaluator),
        }
    }
}

/// A clone of the layer shares the evaluator with the original, so the extractor does not need to
/// implement `Clone`.
impl<E> Clone for DirectivesLayer<E> {
    fn clone(&self) -> Self {
        Self {
            evaluator: Arc::clone(&self.evaluator),
        }
    }
}

impl<S, E> Layer<S> for DirectivesLayer<E> {
    type Service = DirectivesService<S, E>;

    fn layer(&self, inner: S) -> Self::Service {
        DirectivesService {
            inner,
            evaluator: Arc::clone(&self.evaluator),
        }
    }
}

/// The service that evaluates each request and then calls the wrapped service. A
/// [`DirectivesLayer`] creates this service.
#[derive(Debug)]
pub struct DirectivesService<S, E = RestExtractor> {
    inner: S,
    evaluator: Arc<Evaluator<E>>,
}

impl<S: Clone, E> Clone for DirectivesService<S, E> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            evaluator: Arc::clone(&self.evaluator),
        }
    }
}

impl<S, E, RequestBody, ResponseBody> Service<Request<RequestBody>> for DirectivesService<S, E>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>>,
    E: Extractor,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let applied = self.evaluator.evaluate(&parts);
        match &applied {
            Some(applied) => {
                parts.extensions.insert(applied.clone());
            }
            // The layer removes the result of an outer layer from the extensions, because a handler
            // could mistake it for the result of this layer.
            None => {
                parts.extensions.remove::<AppliedDirectives>();
            }
        }
        ResponseFuture {
            inner: self.inner.call(Request::from_parts(parts, body)),
            applied,
        }
    }
}

pin_project! {
    /// The future that a [`DirectivesService`] returns for each request.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        applied: Option<AppliedDirectives>,
    }
}

impl<F, Body, Error> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Error>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut result = ready!(this.inner.poll(context));
        if let (Ok(response), Some(applied)) = (&mut result, this.applied.take()) {
            response.extensions_mut().insert(applied);
        }
        Poll::Ready(result)
    }
}
