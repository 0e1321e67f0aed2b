//! Everything that needs a server: a real node, or one that answers by a script.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

mod agent;
mod cli;
mod layers;
mod mappings;
mod refresher;
mod scripted;
