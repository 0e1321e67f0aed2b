//! Configures the trusted CA certificates and the client certificate of HTTPS connections.
//!
//! If both features `rustls-tls` and `native-tls` are enabled, the client uses rustls.

#[cfg(all(feature = "native-tls", not(feature = "rustls-tls")))]
mod native;
#[cfg(feature = "rustls-tls")]
mod rustls;

use reqwest::ClientBuilder;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::config_error::{ConfigError, ConfigErrorKind};
use super::secret::Secret;

/// The CA certificates that the client trusts, and the client certificate that it presents to the
/// nodes.
///
/// By default, the client trusts the CAs of the operating system, and presents no certificate.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Tls {
    ca_certificates: Option<Secret>,
    client_certificate: Option<Secret>,
    client_key: Option<Secret>,
}

impl Tls {
    /// Returns the default TLS settings, with which the client trusts the CAs of the operating
    /// system.
    pub fn system() -> Self {
        Self::default()
    }

    /// Makes the client trust one or more certificates (PEM) in addition to the CAs of the
    /// operating system. Each trusted certificate must belong to a CA or to the server itself.
    ///
    /// The server's own certificate is accepted even if it is self-signed and marked as a CA, like
    /// the certificates that `openssl req -x509` creates. Even a trusted server certificate must be
    /// valid for the host name, and must not have expired.
    pub fn with_ca_certificates(mut self, pem: impl Into<Secret>) -> Self {
        self.ca_certificates = Some(pem.into());
        self
    }

    /// Makes the client present `certificate` (PEM, with its chain) to the server. If
    /// [`with_client_key`](Self::with_client_key) does not set the private key, the PEM text must
    /// also contain the private key.
    pub fn with_client_certificate(mut self, pem: impl Into<Secret>) -> Self {
        self.client_certificate = Some(pem.into());
        self
    }

    /// Sets the private key (PEM) of the client certificate.
    pub fn with_client_key(mut self, pem: impl Into<Secret>) -> Self {
        self.client_key = Some(pem.into());
        self
    }

    /// Returns true if a certificate or a key comes from a file, whose content can change.
    pub(super) fn has_files(&self) -> bool {
        [
            &self.ca_certificates,
            &self.client_certificate,
            &self.client_key,
        ]
        .into_iter()
        .flatten()
        .any(Secret::is_file)
    }

    /// Reads the configured certificates and the private key. If a certificate or a key is in a
    /// file, the call blocks the thread while it reads the file.
    pub(super) fn read(&self) -> Result<TlsMaterial, ConfigError> {
        if self.client_key.is_some() && self.client_certificate.is_none() {
            return Err(certificate_error(
                "a client key needs a client certificate, which is not set",
            ));
        }
        let read = |secret: &Option<Secret>, what: &str| match secret {
            Some(secret) => secret.read().map(Some).map_err(|source| {
                certificate_error(format!("{what} cannot be used")).with_source(source)
            }),
            None => Ok(None),
        };
        Ok(TlsMaterial {
            ca_certificates: read(&self.ca_certificates, "the CA certificate")?,
            client_certificate: read(&self.client_certificate, "the client certificate")?,
            client_key: read(&self.client_key, "the client key")?,
        })
    }
}

/// The PEM texts of the certificates and of the private key, as the client last read them.
pub(super) struct TlsMaterial {
    ca_certificates: Option<SecretString>,
    client_certificate: Option<SecretString>,
    client_key: Option<SecretString>,
}

impl TlsMaterial {
    /// Returns a digest that changes whenever a certificate or the private key changes, so that the
    /// client notices the change.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for part in [
            &self.ca_certificates,
            &self.client_certificate,
            &self.client_key,
        ] {
            let text = part.as_ref().map_or("", |part| part.expose_secret());
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
        }
        digest.finalize().into()
    }

    /// Returns the configured CA certificates as PEM.
    #[cfg(any(feature = "rustls-tls", feature = "native-tls"))]
    fn ca_pem(&self) -> Option<&[u8]> {
        let text = self.ca_certificates.as_ref()?;
        Some(text.expose_secret().as_bytes())
    }

    /// Returns the client certificate and its private key, each as PEM.
    #[cfg(any(feature = "rustls-tls", feature = "native-tls"))]
    fn client_pem(&self) -> Option<(&[u8], &[u8])> {
        let certificate = self.client_certificate.as_ref()?;
        let key = self.client_key.as_ref().unwrap_or(certificate);
        Some((
            certificate.expose_secret().as_bytes(),
            key.expose_secret().as_bytes(),
        ))
    }
}

/// The TLS settings that several HTTP clients share.
#[derive(Clone)]
pub(super) struct TlsConfig(Backend);

#[cfg(feature = "rustls-tls")]
type Backend = ::rustls::ClientConfig;
#[cfg(all(feature = "native-tls", not(feature = "rustls-tls")))]
type Backend = native::Config;
/// A build without a TLS feature has no TLS settings, so the client refuses `https` addresses.
#[cfg(not(any(feature = "rustls-tls", feature = "native-tls")))]
type Backend = ();

impl TlsConfig {
    /// Creates the TLS settings from the certificates and the key in `material`. If no node has an
    /// `https` address (`is_used` is false), the function does not load the system's CA
    /// certificates, because they may be missing.
    #[cfg_attr(
        not(any(feature = "rustls-tls", feature = "native-tls")),
        expect(
            clippy::unnecessary_wraps,
            unused_variables,
            reason = "fallible with TLS"
        )
    )]
    pub(super) fn new(material: &TlsMaterial, is_used: bool) -> Result<Self, ConfigError> {
        #[cfg(feature = "rustls-tls")]
        let config = if is_used {
            rustls::config(material)?
        } else {
            rustls::unused()?
        };
        #[cfg(all(feature = "native-tls", not(feature = "rustls-tls")))]
        let config = native::Config::new(material, is_used)?;
        #[cfg(not(any(feature = "rustls-tls", feature = "native-tls")))]
        let config = ();
        Ok(Self(config))
    }

    /// Applies the TLS settings to the builder of an HTTP client.
    #[cfg_attr(
        not(any(feature = "rustls-tls", feature = "native-tls")),
        expect(clippy::unused_self, reason = "used with TLS")
    )]
    pub(super) fn apply(&self, builder: ClientBuilder) -> ClientBuilder {
        #[cfg(feature = "rustls-tls")]
        let builder = builder.tls_backend_preconfigured(self.0.clone());
        #[cfg(all(feature = "native-tls", not(feature = "rustls-tls")))]
        let builder = self.0.apply(builder);
        builder
    }
}

/// Describes why a TLS handshake failed, and what the operator can do. Returns `None` if the cause
/// of `error` is not a TLS fault, or if the build does not use rustls.
pub(super) fn explain(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    #[cfg(feature = "rustls-tls")]
    return rustls::explain(error);
    #[cfg(not(feature = "rustls-tls"))]
    {
        let _ = error;
        None
    }
}

fn certificate_error(message: impl Into<String>) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Certificate, message)
}
