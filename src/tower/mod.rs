//! A `tower` layer that evaluates each request once and makes the decision available to handlers
//! and to outer layers.
//!
//! [`DirectivesLayer`] wraps a service over `http` requests, for example an axum router or a hyper
//! client. For each request, the layer loads the published set, obtains the request's attributes
//! from an [`Extractor`], and evaluates the set. If a directive applies, the layer puts
//! [`AppliedDirectives`] into the extensions of the request, and later into the extensions of the
//! response. If no directive applies, the layer adds no extension and does not allocate.
//!
//! ```
//! use std::sync::Arc;
//!
//! use http::{Request, Response};
//! use opensearch_directives::tower::{AppliedDirectives, DirectivesLayer, Evaluator, RestExtractor};
//! use opensearch_directives::{
//!     DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet, InMemoryDirectiveStore,
//! };
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A proxy uses an `OpenSearchDirectiveStore` here.
//! let directive = DiagnosticsDirective::new("slow-acme", DiagLevel::Shape, jiff::Timestamp::MAX)
//!     .with_match(DirectiveMatch::all().for_tenant("acme").for_index("orders"));
//! let set = DirectiveSet::from_directives(vec![directive]);
//! let store = Arc::new(InMemoryDirectiveStore::new().with_directives(set));
//!
//! // The authentication in front of this layer sets these headers, and removes those of clients.
//! let extractor = RestExtractor::new()
//!     .with_tenant_header("x-tenant".parse()?)
//!     .with_principal_header("x-principal".parse()?);
//! let evaluator = Evaluator::new(store).with_extractor(extractor);
//!
//! let service = ServiceBuilder::new()
//!     .layer(DirectivesLayer::new(evaluator))
//!     .service(service_fn(async |request: Request<String>| {
//!         // In the handler:
//!         let decision = AppliedDirectives::decision_of(request.extensions());
//!         Ok::<_, std::convert::Infallible>(Response::new(decision.level.as_str()))
//!     }));
//!
//! let request = Request::get("/orders/_search")
//!     .header("x-tenant", "acme")
//!     .header("x-request-id", "3f2b8c1e")
//!     .body(String::new())?;
//! let response = service.oneshot(request).await?;
//! assert_eq!(*response.body(), "Shape");
//! // In the response path:
//! let applied = AppliedDirectives::of(response.extensions()).expect("a directive applies");
//! assert_eq!(applied.ids().collect::<Vec<_>>(), ["slow-acme"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - The layer never fails or delays a request, and changes only the extensions. The service of the
//!   layer is ready when the wrapped service is ready.
//! - The layer evaluates each request once, so the level, the flags and the ids come from the same
//!   set.
//! - All clones of the layer and of the service share one evaluator.
//!
//! In an axum handler, use the extractor `Option<Extension<AppliedDirectives>>`, because the
//! extension is absent if no directive applies.
//!
//! A proxy that is not built on `tower` can call [`Evaluator::evaluate`] with the parts of its
//! request.

mod applied_directives;
mod evaluator;
mod extractor;
mod layer;
mod rest_extractor;
#[cfg(test)]
mod tests;

pub use applied_directives::AppliedDirectives;
pub use evaluator::Evaluator;
pub use extractor::{Extracted, Extractor};
pub use layer::{DirectivesLayer, DirectivesService, ResponseFuture};
pub use rest_extractor::RestExtractor;
/// The crates whose traits the layer and its service implement; an application should use the same
/// versions.
pub use {tower_layer, tower_service};
