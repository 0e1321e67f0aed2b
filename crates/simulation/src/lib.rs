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
mod document_generator;
mod document_write;
mod histogram;
mod index;
mod index_lifecycle;
mod network_faults;
mod promise_checks;
mod rare_sequences;
mod regression_check;
mod rest_responses;
mod returned_views;
mod schedule_runner;
mod search;
mod shard;
mod simulated_transport;
mod stats_response;
mod world;
mod world_events;
mod world_parameters;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world_without_random_events;
