//! The body of a request.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;

use super::problem::Problem;

/// How long a body may take to arrive.
const ARRIVED_WITHIN: Duration = Duration::from_secs(10);

/// A body that arrived whole and in time, and has no more bytes than the route allows.
#[derive(Debug)]
pub(super) struct Body(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let arrived = tokio::time::timeout(ARRIVED_WITHIN, Bytes::from_request(request, state));
        match arrived.await {
            Ok(Ok(bytes)) => Ok(Self(bytes)),
            Ok(Err(error)) => Err(Problem::new(error.status(), error.body_text())),
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body did not arrive within {ARRIVED_WITHIN:?}"),
            )),
        }
    }
}
