//! Tests of the `directives` command and of its agent, on real nodes.

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
mod bad_input;
#[cfg(target_os = "linux")]
mod bounded_memory;
mod concurrency;
mod connect_timeout;
mod connection;
mod init;
mod lifecycle_of_a_directive;
mod not_opensearch;
mod read_only_and_cleanup_verbs;
mod template_pipeline_dashboards;
mod usage_mistakes;
mod write_verbs;
