//! Tests how long the command waits for a connection to a server that accepts none.

use std::time::Duration;

use test_support::hanging_connect::takes_no_connections;

use crate::support::command::directives;

#[tokio::test]
async fn the_command_is_told_how_long_connecting_may_take() {
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
        .expect("it ends long before the request may")
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("no connection within 50ms"), "{said}");
}
