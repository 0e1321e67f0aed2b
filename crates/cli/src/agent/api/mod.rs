//! The handlers of the agent's HTTP interface, with their OpenAPI descriptions, in one file for
//! each group of paths.

mod body;
mod directives;
mod etag;
mod evaluate;
mod expensive_responses;
mod ext_authz;
pub(crate) mod fuzzing;
mod health;
mod hits;
mod library_schemas;
mod metrics;
mod openapi;
mod osproxy;
mod problem;
mod query;
mod redact_errors;
mod refresh;
mod reports;
mod request_to_evaluate;
mod router;
mod snapshot;
mod snapshot_cache;
mod snapshot_history;
mod state;
mod waiting_client_limits;

pub(super) use problem::Problem;
pub(super) use router::{health_router, router};
pub(super) use state::Agent;
