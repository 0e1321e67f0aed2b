//! Everything that needs a server: a real node, or one that answers by a script.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    reason = "tables of cases and bodies of requests read better so"
)]

mod support;

mod agent;
mod agent_chain;
mod agent_changes;
#[cfg(unix)]
mod agent_forms;
mod agent_log;
mod agent_openapi;
#[cfg(unix)]
mod agent_python;
mod cli;
mod faults;
mod layers;
mod mappings;
mod reading;
mod refresher;
mod scripted;
#[cfg(feature = "aws-sigv4")]
mod sigv4;
#[cfg(feature = "rustls-tls")]
mod tls;
