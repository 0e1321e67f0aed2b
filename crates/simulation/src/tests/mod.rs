//! Tests that refreshers keep the promises of ARCHITECTURE.md: in random schedules, and in
//! simulated worlds in which the test itself causes each event.

mod broken_refreshers;
mod failovers;
mod random_schedules;
mod restored_indices;
mod reused_seq_nos;
mod revoked_privileges;
