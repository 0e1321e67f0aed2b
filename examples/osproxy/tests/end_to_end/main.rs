//! A real osproxy between a client and a real OpenSearch: what directives in an index do
//! to requests. Run by `scripts/test-osproxy`, which brings the node.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod boundary;
mod client;
mod load;
mod proxy;
mod targets;
