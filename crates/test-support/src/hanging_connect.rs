//! Provides an address at which a connection attempt hangs: a listener whose accept queue is full.

use std::time::Duration;

/// Returns an address that neither refuses nor accepts connections, and a guard. The caller must
/// keep the guard as long as it uses the address.
pub async fn takes_no_connections() -> (String, impl Sized) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // Opens connections until the accept queue is full, so that the next connection attempt hangs.
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
