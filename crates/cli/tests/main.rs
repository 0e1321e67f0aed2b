//! Tests the `directives` command and its agent on real nodes.

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
mod another_author;
mod apply_prune;
mod authenticated_user;
#[cfg(unix)]
mod author_name;
mod bad_input;
mod clocks;
#[cfg(unix)]
mod completion;
mod concurrency;
mod connect_timeout;
mod connection;
mod contexts;
mod covered_by_another;
mod dashboards;
mod diff_and_validate;
mod doctor;
mod doctor_on_a_node;
mod documented_tests;
mod dry_run;
#[cfg(unix)]
mod editor;
mod explain;
#[cfg(unix)]
mod explain_agent;
mod false_agent;
#[cfg(unix)]
mod fleet;
mod fleet_chain;
mod fleet_hits;
mod golden;
#[cfg(unix)]
mod history;
mod incident;
mod init;
mod json_output;
mod later_part_fails;
mod lifecycle_of_a_directive;
mod lifetime_limits;
mod list;
mod manual_pages;
mod not_opensearch;
mod past_fleet;
mod pipeline;
mod prune;
#[cfg(unix)]
mod questions;
mod several_directives;
mod signatures;
#[cfg(unix)]
mod terminal;
mod usage_mistakes;
mod write_verbs;
