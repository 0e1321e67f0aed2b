//! Generates the agent's OpenAPI description from the request handlers and from the types of their
//! requests and responses.

use std::collections::BTreeMap;

use axum::Extension;
use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, Ref, RefOr, Response as ResponseDescription, ResponseBuilder,
    schema::{ObjectBuilder, Type},
};
use utoipa::{IntoResponses, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use super::library_schemas;
use super::problem::Problem;
use super::state::Agent;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "directives agent",
        description = "Diagnostics directives, for proxies in any language.\n\nResponses must not \
            be cached (`Cache-Control: no-store`) unless they say otherwise. Every error is a \
            problem document (RFC 9457). In addition to the responses listed here, every path can \
            refuse a request: 401 or 403 without the necessary permission or from a web page of \
            another origin, 421 for an unknown host name, 404 and 405 for an unknown path or \
            method, 503 while all connections are in use.\n\n`/v1/ext_authz/` \
            takes every method and path behind it, for the authorization check of a proxy \
            (Envoy, nginx): it evaluates the client's request, and responds with 200 and the \
            headers of `/v1/evaluate`. The method and the path of the client's request are those \
            of the headers `X-Forwarded-Method` and `X-Forwarded-Uri`, or, without these headers, \
            the method of the check and its path behind `/v1/ext_authz`. `Directives-Tenant`, \
            `Directives-Principal` and `X-Request-Id` are optional. If the method or the path is \
            invalid, nothing applies, and `Directives-Error` says why."
    ),
    components(schemas(Problem, library_schemas::Level, library_schemas::EndpointKind))
)]
struct Base;

/// Creates an empty router that collects the OpenAPI descriptions of the routes that are added to
/// it.
pub(super) fn router() -> OpenApiRouter<Agent> {
    OpenApiRouter::with_openapi(Base::openapi())
}

/// The OpenAPI description as JSON, encoded once at the start of the agent.
#[derive(Clone, Debug)]
pub(super) struct Description(pub(super) Bytes);

/// The OpenAPI description of this interface
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(super) async fn get(Extension(Description(json)): Extension<Description>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

/// Describes the error response with the given HTTP status for the OpenAPI description.
fn problem(
    status: &str,
    description: &str,
    retry_after: bool,
) -> BTreeMap<String, RefOr<ResponseDescription>> {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let mut response = ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content);
    if retry_after {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer);
        let header = HeaderBuilder::new()
            .schema(Some(seconds.build()))
            .description(Some(
                "The number of seconds after which the client should try again",
            ));
        response = response.header("Retry-After", header.build());
    }
    BTreeMap::from([(status.to_owned(), response.build().into())])
}

macro_rules! problems {
    ($($name:ident: $status:literal, $description:literal, $retry_after:literal;)*) => {$(
        /// The OpenAPI description of an error response that several paths share.
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<ResponseDescription>> {
                problem($status, $description, $retry_after)
            }
        }
    )*};
}

problems! {
    InvalidField: "400", "A field is invalid or missing; `field` names it", false;
    SlowBody: "408", "The body did not arrive in time", false;
    LargeBody: "413", "The body is larger than 64 KiB", false;
    LargeBatch: "413", "The body is larger than 1 MiB", false;
    Internal: "500", "The agent has a bug", false;
    Busy: "503", "Too many requests of this kind are in progress", true;
    TooManyWaiting: "503", "Too many clients wait for a change", true;
    NoReports: "404", "The agent does not report to the fleet", false;
    TooManyInstances: "503", "Too many instances report through this agent", true;
    NotReady: "503", "There is no set to serve, or it is stale and the request has `fresh`, or the agent is shutting down; `detail` contains the reason", false;
    NoSnapshot: "503", "There was no complete read yet, the set was emptied because of its age, or too many clients wait or read", false;
    PollFailed: "503", "The poll failed, and the published set stays; `detail` contains the reason", false;
}
