//! Provides the address of a listener whose accept queue is full, so that a connection attempt to
//! this address hangs.

use std::time::Duration;

/// Returns an address at which each connection attempt hangs, and a guard that the caller must keep
/// as long as it uses the address.
pub async fn takes_no_connections() -> (String, impl Sized) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // The loop opens connections until the listener's accept queue is full, so that the next
    // connection attempt hangs.
    while let Ok(connected) = tokio::time::timeout(
        Duration::from_millis(500),
        tokio::net::TcpStream::connect(address),
    )
    .await
    {
        waiting.push(connected.unwrap());
    }
    (format!("http://{address}"), (listener, waiting))
}
