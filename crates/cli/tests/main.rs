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
mod authenticated_user;
mod bad_input;
#[cfg(target_os = "linux")]
mod bounded_memory;
#[cfg(unix)]
mod completion;
mod concurrency;
mod connect_timeout;
mod connection;
mod covered_by_another;
mod dashboards_import;
mod desired_state;
mod doctor;
mod documented_tests;
#[cfg(unix)]
mod explain_agent;
mod golden;
mod incident;
mod init;
mod lifecycle_of_a_directive;
mod not_opensearch;
mod parts_of_a_file;
mod read_only_and_cleanup_verbs;
mod signatures;
mod template_pipeline_dashboards;
#[cfg(unix)]
mod terminal;
mod usage_mistakes;
mod write_verbs;
