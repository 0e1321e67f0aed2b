//! `POST /v1/reports`: accepts the reports of instances that poll this agent, and writes them into
//! the index of the fleet.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::Body;
use super::openapi::{InvalidField, LargeBatch, NoReports, SlowBody, TooManyInstances};
use super::problem::Problem;
use super::state::Agent;

/// The reports of one or several instances, as the library sends them.
#[expect(dead_code, reason = "the library decodes the reports")]
#[derive(ToSchema)]
pub(super) struct Reports {
    /// The time at which the client sent the reports, by its clock.
    #[schema(format = DateTime)]
    now: String,
    /// The reports, one for each instance.
    #[schema(value_type = Vec<Object>)]
    reports: Vec<()>,
}

/// The number of reports that the agent accepted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accepted {
    accepted: usize,
}

/// Report to the fleet through this agent
///
/// Only an agent with `--report` accepts reports. The agent writes the reports within about a
/// second, or as soon as the index of the fleet is available again. If an instance sends another
/// report before the agent has written the first one, the later report replaces the earlier one.
#[utoipa::path(post, path = "/v1/reports", operation_id = "report",
    request_body = Reports,
    responses((status = 202, description = "The reports will be written", body = Accepted),
        InvalidField, NoReports, SlowBody, LargeBatch, TooManyInstances))]
pub(super) async fn post(
    State(agent): State<Agent>,
    Body(body): Body,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let Some(relay) = &agent.relay else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "this agent accepts no reports, because it was started without --report",
        ));
    };
    match relay.accept(&body) {
        Ok(accepted) => Ok((StatusCode::ACCEPTED, Json(Accepted { accepted }))),
        Err(error) if error.is_temporary() => Err(Problem::busy(error.to_string())),
        Err(error) => Err(Problem::new(StatusCode::BAD_REQUEST, error.to_string())),
    }
}
