//! Tests the effect of directives on requests through a real osproxy in front of a real OpenSearch.
//! `scripts/test-osproxy` starts the OpenSearch node and runs the end-to-end tests.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod boundary;
mod client;
mod endpoints;
mod load;
mod proxy;
mod targets;
