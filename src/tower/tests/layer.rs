//! Tests of the layer: which extensions handlers and outer layers find, whether the service is
//! ready, how errors are passed on, and that the layer does not allocate.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use allocation_counter::measure;
use futures_util::FutureExt as _;
use http::{Request, Response};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use super::*;
use crate::tower::{AppliedDirectives, DirectivesLayer};

/// A handler that returns the level and the ids in the extensions of the request.
async fn handler(request: Request<Body>) -> Result<Response<String>, Infallible> {
    let level = AppliedDirectives::decision_of(request.extensions()).level;
    let mut ids = String::new();
    for id in AppliedDirectives::of(request.extensions())
        .iter()
        .flat_map(|applied| applied.ids())
    {
        ids += id;
    }
    Ok(Response::new(format!("{level}:{ids}")))
}

#[tokio::test]
async fn the_handler_and_the_response_path_find_the_same_result() {
    let layer = DirectivesLayer::new(evaluator(vec![for_acme()]));
    let service = layer.layer(service_fn(handler));

    let matching = request("/orders/_search", &[("x-tenant", "acme")]);
    let response = service.clone().oneshot(matching).await.unwrap();
    assert_eq!(response.body(), "Shape:acme");
    let applied = AppliedDirectives::of(response.extensions()).unwrap();
    assert_eq!(applied.decision().level, DiagLevel::Shape);
    assert_eq!(applied.ids().collect::<Vec<_>>(), ["acme"]);

    let other = request("/orders/_search", &[("x-tenant", "globex")]);
    let response = service.oneshot(other).await.unwrap();
    assert_eq!(response.body(), "Off:");
    assert_eq!(AppliedDirectives::of(response.extensions()), None);
}

#[tokio::test]
async fn a_result_of_an_earlier_layer_does_not_pass_for_one_of_this_layer() {
    let earlier = evaluator(vec![for_acme()])
        .evaluate(&parts("/", &[("x-tenant", "acme")]))
        .unwrap();
    let layer = DirectivesLayer::new(evaluator(vec![for_acme()]));
    let mut other = request("/", &[("x-tenant", "globex")]);
    other.extensions_mut().insert(earlier);
    let response = layer
        .layer(service_fn(handler))
        .oneshot(other)
        .await
        .unwrap();
    assert_eq!(response.body(), "Off:");
}

#[tokio::test]
async fn an_error_of_the_service_is_returned_unchanged() {
    let layer = DirectivesLayer::new(evaluator(vec![for_acme()]));
    let service = layer.layer(service_fn(async |_: Request<Body>| {
        Err::<Response<Body>, _>("refused")
    }));
    let matching = request("/", &[("x-tenant", "acme")]);
    assert_eq!(service.oneshot(matching).await.err(), Some("refused"));
}

/// A service whose caller must call `poll_ready` before each call. A clone of a `Strict` service is
/// not ready until somebody has called its own `poll_ready`. The contract of the trait `Service`
/// permits that a clone is not ready.
#[derive(Default)]
struct Strict {
    polls: u8,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<Body>> for Strict {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.polls += 1;
        if self.polls < 2 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert_eq!(self.polls, 2, "called before it was ready");
        self.polls = 0;
        ready(Ok(Response::new(())))
    }
}

#[tokio::test]
async fn it_is_ready_when_the_service_is_ready_and_calls_that_service_and_no_clone() {
    let layer = DirectivesLayer::new(evaluator(vec![for_acme()]));
    let mut service = layer.layer(Strict::default());
    assert!(service.ready().now_or_never().is_none());
    for _ in 0..2 {
        let ready = service.ready().await.unwrap();
        ready.call(request("/", &[])).await.unwrap();
    }
}

#[test]
fn a_request_to_which_nothing_applies_allocates_nothing() {
    let mut service =
        DirectivesLayer::new(evaluator(vec![for_acme()])).layer(service_fn(|_: Request<Body>| {
            ready(Ok::<_, Infallible>(Response::new(())))
        }));
    let mut allocations_of = |tenant: &str| {
        let mut call = || {
            let request = request("/orders,items/_search", &[("x-tenant", tenant)]);
            measure(|| {
                assert!(service.call(request).now_or_never().is_some());
            })
        };
        // The test does not count the allocations of the first call, because this call initialises
        // statics of the thread and of the clock.
        call();
        call().count_total
    };
    assert_eq!(allocations_of("globex"), 0);
    assert!(allocations_of("acme") > 0, "the count counts nothing");
}
