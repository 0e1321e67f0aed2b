//! Tests the library with real OpenSearch nodes, and with mock servers that return scripted
//! responses.

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

mod broken_http_servers;
mod captured_log;
mod credential_rotation;
mod faults;
mod hidden_fields_after_restart;
mod incremental_polling;
mod raw_server;
mod reader_limits;
mod refresher;
mod scripted;
#[cfg(feature = "aws-sigv4")]
mod sigv4;
#[cfg(feature = "rustls-tls")]
mod tls;
