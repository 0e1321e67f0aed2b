//! Tests HTTPS connections of a store with private CAs, with client certificates, and while an
//! operator replaces certificates.

use std::sync::Arc;

use opensearch_directives::error::{ConfigErrorKind, chain as error_chain};
use opensearch_directives::{
    ClusterConfig, Config, Credentials, DirectiveStore as _, OpenSearchDirectiveStore, Secret,
    StartError, Tls,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

const SETTINGS: &str =
    r#"{"directives":{"settings":{"index.uuid":"u","index.number_of_shards":"1"}}}"#;
const SEARCH: &str = r#"{"timed_out":false,"_shards":{"total":1,"successful":1,"failed":0},
    "hits":{"total":{"value":0,"relation":"eq"}}}"#;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Creates a certificate for the host name `name`, signed by the certificate authority `by`, and
/// its private key.
fn signed(by: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, by).unwrap(), key)
}

/// Serves an empty index over TLS, and returns the URL of the server. If `clients` is set, the
/// server accepts only clients with a certificate from the CA `clients`.
async fn serve(authority: &Authority, clients: Option<&Authority>) -> String {
    serve_as(signed(authority, "localhost"), clients).await
}

async fn serve_as(
    certificate: (rcgen::Certificate, KeyPair),
    clients: Option<&Authority>,
) -> String {
    let acceptor = TlsAcceptor::from(Arc::new(server_config(certificate, clients)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(respond(acceptor.clone(), stream));
        }
    });
    format!("https://localhost:{port}")
}

fn server_config(
    (certificate, key): (rcgen::Certificate, KeyPair),
    clients: Option<&Authority>,
) -> ServerConfig {
    let builder = ServerConfig::builder();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            let authority = CertificateDer::from(clients.der().to_vec());
            roots.add(authority).unwrap();
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    builder
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}

/// Responds to one request on a TLS connection, and ignores a failed handshake, because the client
/// reports the failure. A client that presents a certificate must also send the password.
async fn respond(acceptor: TlsAcceptor, stream: TcpStream) {
    let Ok(mut stream) = acceptor.accept(stream).await else {
        return;
    };
    let mut request = vec![0; 8192];
    let Ok(read) = stream.read(&mut request).await else {
        return;
    };
    let has_certificate = stream.get_ref().1.peer_certificates().is_some();
    let text = String::from_utf8_lossy(&request[..read]);
    if has_certificate && !text.contains("authorization: Basic YW5uOmh1bnRlcjI=") {
        let refusal = b"HTTP/1.1 401 U\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let _ = stream.write_all(refusal).await;
        return;
    }
    let body = if request[..read].starts_with(b"GET") {
        SETTINGS
    } else {
        SEARCH
    };
    let response = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(response.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn start(
    url: &str,
    tls: Tls,
    as_whom: Credentials,
) -> Result<OpenSearchDirectiveStore, StartError> {
    let cluster = ClusterConfig::new([url.parse().unwrap()])
        .with_tls(tls)
        .with_credentials(as_whom);
    OpenSearchDirectiveStore::start(Config::new(cluster)).await
}

fn ann() -> Credentials {
    Credentials::Basic {
        username: "ann".to_owned(),
        password: "hunter2".into(),
    }
}

fn trusting(authority: &Authority) -> Tls {
    Tls::system().with_ca_certificates(authority.pem())
}

#[tokio::test]
async fn only_the_configured_private_ca_is_trusted() {
    let (ours, other) = (authority(), authority());
    let url = serve(&ours, None).await;
    let store = start(&url, trusting(&ours), Credentials::None)
        .await
        .unwrap();
    assert!(store.load().is_empty());
    for tls in [Tls::system(), trusting(&other)] {
        let error = start(&url, tls, Credentials::None).await.unwrap_err();
        let said = error_chain(&error);
        assert!(said.contains("certificate"), "{said}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_presented_together_with_a_password() {
    let (ours, clients) = (authority(), authority());
    let url = serve(&ours, Some(&clients)).await;
    let presenting = |by: &Authority| {
        let (certificate, key) = signed(by, "proxy");
        trusting(&ours).with_client_certificate(format!(
            "{}{}",
            certificate.pem(),
            key.serialize_pem()
        ))
    };
    // The store must start if it has both the password and a certificate from the server's CA for
    // clients. If the password or the certificate is missing, the store must fail to start.
    start(&url, presenting(&clients), ann()).await.unwrap();
    let error = start(&url, presenting(&clients), Credentials::None).await;
    let said = error_chain(&error.unwrap_err());
    assert!(said.contains("status 401"), "{said}");
    for tls in [trusting(&ours), presenting(&ours)] {
        let error = start(&url, tls, Credentials::None).await.unwrap_err();
        let said = error_chain(&error);
        assert!(said.contains("--client-certificate"), "{said}");
    }
}

#[tokio::test]
async fn an_invalid_certificate_is_refused_before_a_request() {
    for tls in [
        Tls::system().with_ca_certificates("hunter2"),
        Tls::system().with_client_certificate("hunter2"),
        Tls::system().with_client_key("hunter2"),
        Tls::system().with_ca_certificates(Secret::file("no such file")),
    ] {
        let error = start("https://h", tls, Credentials::None).await;
        let error = error.unwrap_err();
        let kind = error.config_error().unwrap().kind();
        assert_eq!(kind, ConfigErrorKind::Certificate, "{error:?}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

/// Creates a self-signed server certificate that is marked as a CA, as `openssl req -x509` creates
/// it.
fn self_signed(name: &str) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), key)
}

#[tokio::test]
async fn a_self_signed_certificate_is_explained_and_can_be_trusted() {
    let (certificate, key) = self_signed("localhost");
    let pem = certificate.pem();
    let url = serve_as((certificate, key), None).await;
    let error = start(&url, Tls::system(), Credentials::None).await;
    let said = error_chain(&error.unwrap_err());
    assert!(said.contains("set it as the CA certificate"), "{said}");
    assert!(said.contains("CaUsedAsEndEntity"), "{said}");

    let pinned = Tls::system().with_ca_certificates(pem.as_str());
    start(&url, pinned, Credentials::None).await.unwrap();

    let another = Tls::system().with_ca_certificates(self_signed("localhost").0.pem());
    start(&url, another, Credentials::None).await.unwrap_err();
    let by_address = url.replace("localhost", "127.0.0.1");
    let pinned = Tls::system().with_ca_certificates(pem.as_str());
    let error = start(&by_address, pinned, Credentials::None).await;
    let said = error_chain(&error.unwrap_err());
    assert!(said.contains("not valid for this host name"), "{said}");
}

#[tokio::test]
async fn certificates_in_files_are_read_again_after_a_failed_handshake() {
    let folder = tempfile::tempdir().unwrap();
    let [ca, certificate, key] =
        ["ca.crt", "tls.crt", "tls.key"].map(|name| folder.path().join(name));
    let (ours, clients, other) = (authority(), authority(), authority());
    let write_client = |by: &Authority| {
        let (signed, its_key) = signed(by, "proxy");
        std::fs::write(&certificate, signed.pem()).unwrap();
        std::fs::write(&key, its_key.serialize_pem()).unwrap();
    };
    let url = serve(&ours, Some(&clients)).await;
    std::fs::write(&ca, other.pem()).unwrap();
    write_client(&other);
    let tls = Tls::system()
        .with_ca_certificates(Secret::file(&ca))
        .with_client_certificate(Secret::file(&certificate))
        .with_client_key(Secret::file(&key));
    let cluster = ClusterConfig::new([url.parse().unwrap()])
        .with_credentials(ann())
        .with_tls(tls);
    let config = Config::new(cluster)
        .with_interval(std::time::Duration::from_secs(60 * 60))
        .with_startup(opensearch_directives::Startup::Empty);
    let store = OpenSearchDirectiveStore::start(config).await.unwrap();
    store.refresh().await.unwrap_err();
    // The test replaces the certificate file but not the key file, so the store must report that it
    // cannot load the certificate with the old key.
    std::fs::write(&ca, ours.pem()).unwrap();
    std::fs::write(&certificate, signed(&clients, "proxy").0.pem()).unwrap();
    store.refresh().await.unwrap_err();
    let failures = store.status().counters.credential_reload_failures;
    assert!(failures > 0, "{failures}");
    write_client(&clients);
    store.refresh().await.unwrap();
    assert_eq!(store.status().counters.credential_reloads, 1);
}
