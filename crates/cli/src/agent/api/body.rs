//! Reads the bodies of requests to the agent. The whole body must arrive within a time limit, and
//! must not exceed the size limit of its route.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;

use super::problem::Problem;

/// The time within which the whole body of a request must arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The body of a request to the agent, after all its bytes have arrived. The layer
/// `DefaultBodyLimit` of each route limits the size of the body.
#[derive(Debug)]
pub(super) struct Body(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, state);
        match tokio::time::timeout(BODY_TIMEOUT, body).await {
            Ok(Ok(bytes)) => Ok(Self(bytes)),
            Ok(Err(error)) => Err(Problem::new(error.status(), error.body_text())),
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body did not arrive within {BODY_TIMEOUT:?}"),
            )),
        }
    }
}
