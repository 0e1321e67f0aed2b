//! Tests the command and the agent on a node with the real security plugin, for roles,
//! authentication, TLS, hidden documents and hidden fields. `scripts/test-security` runs these
//! tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(clippy::too_many_lines, reason = "tables of cases read better so")]

#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the other test binary"
)]
mod support;

mod agents_of_all_roles;
mod append_only_history;
mod audit_log;
mod authentication;
mod client_certificates;
mod credentials_of_agents;
mod doctor;
mod hidden_documents_and_fields;
mod hidden_signatures;
mod multi_get;
mod roles;
mod roles_cover_every_verb;
mod secured_cluster;
mod tokens;
mod try_every_verb;
mod try_processes;
mod try_requests;
