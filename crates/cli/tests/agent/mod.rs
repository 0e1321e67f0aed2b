//! Tests that start `directives agent` as a separate process and send HTTP requests to it. Each
//! module covers one part of the agent's behaviour.

use serde_json::{Value, json};

use crate::support::command;

mod access;
mod batch_evaluation;
#[cfg(target_os = "linux")]
mod bounded_memory;
#[cfg(target_os = "linux")]
mod bounded_memory_under_clients;
mod chain;
mod client_request;
mod connections;
mod health;
mod hits;
mod hostile_clients;
mod hub;
mod lifecycle;
mod log_filter;
mod long_poll;
mod metrics;
mod off_file;
mod openapi;
mod osproxy_format;
#[cfg(unix)]
mod python;
mod responses_follow_index;
mod secrets;
#[cfg(unix)]
mod unix_socket;

/// Builds the body of a request to `/v1/evaluate` that describes a search of the given tenant.
fn evaluate_request(tenant: &str) -> Value {
    json!({"tenant": tenant, "index": "orders", "principal": "svc", "endpoint": "Search", "request_id": "r-1"})
}

/// Runs `directives apply` for a directive of the level `Shape`, with the additional flags in
/// `args`.
fn apply(url: &str, index: &str, id: &str, args: &[&str]) {
    command::apply(url, index, &[&[id, "--level", "Shape"], args].concat());
}
