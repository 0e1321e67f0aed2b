//! Tests how the agent serves connections: which clients it waits for, and for how long.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;

use axum::http::Uri;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::super::signals::phases;
use super::super::send_limit::SEND_TIMEOUT;
use super::*;

async fn client(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_that_waits_to_be_admitted_is_served_when_another_connection_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (begun, mut has_begun) = mpsc::unbounded_channel();
    let handler = async move |path: Uri| {
        if path == "/wait" {
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
        }
    };
    let app = Router::new().fallback(handler);
    let (_sender, phase) = phases();
    let listeners = vec![Listener::Tcp(listener)];
    let server = tokio::spawn(serve(listeners, app, Connections::new(0), None, phase));
    // The limit on connections is zero, so the server accepts only connections that are
    // reserved for health checks.
    let mut busy = Vec::new();
    for _ in 0..16 {
        busy.push(client(address, "/wait").await);
        has_begun.recv().await.unwrap();
    }
    // The end of a connection and the acceptance of a new connection happen in random order, so
    // the test makes several attempts.
    for _ in 0..64 {
        let mut waiting = client(address, "/").await;
        drop(busy.pop());
        let mut response = String::new();
        waiting.read_to_string(&mut response).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        busy.push(client(address, "/wait").await);
        has_begun.recv().await.unwrap();
    }
    server.abort();
}

/// Serves a connection in a task of its own.
fn serve_one(
    stream: DuplexStream,
    connections: &Connections,
    admitted: Admitted,
    app: Router,
    tls: TlsReceiver,
) -> JoinHandle<()> {
    let (sender, phase) = phases();
    let server = Server {
        app,
        connections: connections.clone(),
        tls,
        phase,
    };
    let peer = Peer {
        is_unix: false,
        health_only: admitted.health_only,
    };
    tokio::spawn(async move {
        // The agent stops when the sender of the phase is dropped.
        let _sender = sender;
        let stream = Stream::new(stream);
        server.serve_connection(stream, admitted, peer).await;
    })
}

/// The size of the response to a request on a connection of [`serve_large`].
const LARGE: usize = 1 << 20;

/// Admits a connection, and serves a request on it whose response has [`LARGE`] bytes. Returns the
/// client's end of the connection, of which the first byte of the response has been read.
async fn serve_large(connections: &Connections) -> (DuplexStream, JoinHandle<()>) {
    let (mut client, stream) = tokio::io::duplex(1 << 12);
    let admitted = connections.admit().await;
    let app = Router::new().fallback(async || vec![b'x'; LARGE]);
    let served = serve_one(stream, connections, admitted, app, None);
    let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    client.write_all(request).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'H');
    (client, served)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_its_response_too_slowly_is_disconnected() {
    let connections = Connections::new(1);
    let (mut client, served) = serve_large(&connections).await;
    let begun = Instant::now();
    let mut part = [0; 1 << 12];
    // The pauses are shorter than the time limit between two reads.
    while !served.is_finished() {
        tokio::time::sleep(Duration::from_secs(29)).await;
        let _ = client.read(&mut part).await;
    }
    let lasted = begun.elapsed();
    let longest = SEND_TIMEOUT + Duration::from_secs(29);
    assert!((SEND_TIMEOUT..=longest).contains(&lasted), "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_on_a_slow_link_receives_its_whole_response() {
    let connections = Connections::new(1);
    let (mut client, _served) = serve_large(&connections).await;
    let mut part = vec![0; LARGE / 10];
    for _ in 0..10 {
        tokio::time::sleep(SEND_TIMEOUT / 11).await;
        client.read_exact(&mut part).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_response_is_being_sent_is_not_idle() {
    let connections = Connections::new(1);
    let (mut client, _served) = serve_large(&connections).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    // The agent does not close the connection, so it has no room for another one, except for health
    // checks.
    let other = connections.admit().await;
    assert!(other.health_only);
    drop(other);
    // After the last byte, the connection is idle, and the agent closes it to make room.
    while client.read_u8().await.unwrap() != b'\n' || client.read_u8().await.unwrap() != b'\r' {}
    client.read_exact(&mut vec![0; 1 + LARGE]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!connections.admit().await.health_only);
    client.read_u8().await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_disconnected_if_a_new_connection_finds_no_slot() {
    // The limit is zero, so there are only the 16 connections that are reserved for health checks.
    let connections = Connections::new(0);
    let mut slow = Vec::new();
    for _ in 0..16 {
        slow.push(serve_large(&connections).await);
    }
    let begun = Instant::now();
    connections.admit().await;
    // The time is shorter than the time limit between two reads.
    assert!(begun.elapsed() < Duration::from_secs(15));
    let ended = slow.iter().filter(|(_, served)| served.is_finished());
    assert_eq!(ended.count(), 1);
}

#[cfg(feature = "rustls-tls")]
#[tokio::test(start_paused = true)]
async fn the_handshake_and_the_first_request_share_one_time_limit() {
    use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(default_provider());
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();

    let (stream, theirs) = tokio::io::duplex(1 << 12);
    let connections = Connections::new(1);
    let admitted = connections.admit().await;
    let (_config, tls) = tokio::sync::watch::channel(Arc::new(config));
    let begun = Instant::now();
    let served = serve_one(theirs, &connections, admitted, Router::new(), Some(tls));
    tokio::time::sleep(Duration::from_secs(9)).await;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let _stream = connector.connect(name, stream).await.unwrap();
    served.await.unwrap();
    assert_eq!(begun.elapsed(), FIRST_REQUEST_TIMEOUT);
}

#[test]
fn only_a_lack_of_file_descriptors_closes_another_connection() {
    use std::io::{Error, ErrorKind};
    for (error, lacks) in [
        (Error::from_raw_os_error(24), cfg!(unix)),
        (Error::from_raw_os_error(23), cfg!(unix)),
        (Error::from(ErrorKind::ConnectionAborted), false),
        // On Linux, 103 is ECONNABORTED, which the client causes.
        (Error::from_raw_os_error(103), false),
    ] {
        assert_eq!(lacks_file_descriptors(&error), lacks, "{error}");
    }
}
