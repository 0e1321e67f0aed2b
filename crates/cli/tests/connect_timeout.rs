//! Tests that `--connect-timeout` limits how long the command waits for a server that accepts no
//! connections.

use std::time::Duration;

use test_support::hanging_connect::takes_no_connections;

use crate::support::command::directives;

#[tokio::test]
async fn a_flag_bounds_the_time_of_a_connection_attempt() {
    let (hole, _held) = takes_no_connections().await;
    let (other, _held) = takes_no_connections().await;
    let mut command = tokio::process::Command::from(directives());
    command
        .args(["list", "--url", &hole, "--url", &other])
        .args(["--connect-timeout", "50ms", "--request-timeout", "1h"])
        .kill_on_drop(true);
    let ran = tokio::time::timeout(Duration::from_mins(1), command.output());
    let ran = ran
        .await
        .expect("it ends long before the request timeout")
        .unwrap();
    let printed = String::from_utf8_lossy(&ran.stderr);
    assert!(printed.contains("no connection within 50ms"), "{printed}");
}
