//! Loads the TLS certificates of the agent's API, and replaces them without a restart of the agent.

use std::path::PathBuf;

#[cfg(feature = "rustls-tls")]
pub(super) use with_rustls::Tls;
#[cfg(not(feature = "rustls-tls"))]
pub(super) use without_rustls::Tls;

/// The PEM files for TLS on the API: the certificate chain, its private key, and the CA
/// certificates that sign client certificates.
#[derive(Clone, Debug)]
pub(super) struct TlsFiles {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) client_ca: Option<PathBuf>,
}

#[cfg(feature = "rustls-tls")]
mod with_rustls {
    use std::path::Path;
    use std::sync::Arc;

    use tokio::sync::watch;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::server::WebPkiClientVerifier;
    use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

    use super::TlsFiles;
    use crate::bounded_file;

    /// The TLS configuration for new connections to the agent's API; a reload replaces it.
    #[derive(Debug)]
    pub(in super::super) struct Tls(watch::Sender<Arc<ServerConfig>>);

    impl Tls {
        pub(in super::super) async fn load(files: &TlsFiles) -> Result<Self, String> {
            Ok(Self(watch::Sender::new(config(files).await?)))
        }

        pub(in super::super) async fn reload(&self, files: &TlsFiles) -> Result<(), String> {
            self.0.send_replace(config(files).await?);
            Ok(())
        }

        pub(in super::super) fn receiver(&self) -> watch::Receiver<Arc<ServerConfig>> {
            self.0.subscribe()
        }
    }

    async fn config(files: &TlsFiles) -> Result<Arc<ServerConfig>, String> {
        let chain = certificates(&files.certificate).await?;
        let key = PrivateKeyDer::from_pem_slice(&read(&files.key).await?)
            .map_err(|error| format!("{}: no private key: {error}", files.key.display()))?;
        let unusable = |error: rustls::Error| {
            format!(
                "the certificate {} and its key cannot be used: {error}",
                files.certificate.display()
            )
        };
        let provider = rustls::crypto::CryptoProvider::get_default()
            .cloned()
            .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match &files.client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file).await? {
                    let unusable = |error| format!("{}: {error}", file.display());
                    roots.add(certificate).map_err(unusable)?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|error| format!("{}: {error}", file.display()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder.with_single_cert(chain, key).map_err(unusable)?;
        Ok(Arc::new(config))
    }

    async fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
        let pem = read(file).await?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        certificates
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| format!("{}: no certificate in PEM form", file.display()))
    }

    async fn read(file: &Path) -> Result<Vec<u8>, String> {
        bounded_file::without_blocking(bounded_file::read, file)
            .await
            .map_err(|error| format!("cannot read {}: {error}", file.display()))
    }
}

#[cfg(not(feature = "rustls-tls"))]
mod without_rustls {
    use super::TlsFiles;

    /// Replaces the type `Tls` in a build without rustls, in which the agent cannot serve TLS.
    #[derive(Debug)]
    pub(in super::super) enum Tls {}

    impl Tls {
        #[expect(clippy::unused_async, reason = "the same interface as with rustls")]
        pub(in super::super) async fn load(_files: &TlsFiles) -> Result<Self, String> {
            Err("--tls-certificate: this program was built without the feature rustls-tls".into())
        }

        #[expect(clippy::unused_async, reason = "the same interface as with rustls")]
        pub(in super::super) async fn reload(&self, _files: &TlsFiles) -> Result<(), String> {
            match *self {}
        }

        pub(in super::super) fn receiver(&self) -> std::convert::Infallible {
            match *self {}
        }
    }
}
