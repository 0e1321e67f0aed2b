//! Tests of the promises: in random schedules, and in worlds where the test causes every event.

mod broken_refreshers;
mod failovers;
mod random_schedules;
mod restored_indices;
mod reused_seq_nos;
mod revoked_privileges;
