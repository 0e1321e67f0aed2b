#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    allow(
        dead_code,
        reason = "the crate consists of its tests and what they share"
    )
)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a simulation fails by panicking, and its transport panics on purpose"
)]

mod cluster;
mod documents;
mod index;
mod index_lifecycle;
mod network_faults;
mod operation;
mod promise_checks;
mod rest_responses;
mod schedule_runner;
mod search;
mod shard;
mod simulated_transport;
mod stats_response;
mod step_back_check;
mod view_history;
mod world;
mod world_events;
mod world_parameters;

#[cfg(test)]
mod quiet_world;
#[cfg(test)]
mod tests;
