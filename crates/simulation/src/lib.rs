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
mod faults;
mod history;
mod index;
mod lifetimes;
mod network;
mod quirks;
mod rest;
mod schedules;
mod search;
mod watched;
mod world;

#[cfg(test)]
mod broken_refreshers;
#[cfg(test)]
mod failovers;
#[cfg(test)]
mod privileges;
#[cfg(test)]
mod random_schedules;
#[cfg(test)]
mod repeated_numbers;
#[cfg(test)]
mod scripted;
