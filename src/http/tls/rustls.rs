//! Configures TLS with rustls, verifies server certificates, and explains failed TLS handshakes. If
//! the application installed a process-wide crypto provider of rustls, the client uses this
//! provider.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::{TlsMaterial, certificate_error};
use crate::http::config_error::{ConfigError, ConfigErrorKind};

/// Creates the rustls configuration of an HTTP client that connects to `https` addresses.
pub(super) fn config(material: &TlsMaterial) -> Result<ClientConfig, ConfigError> {
    let trusted = match material.ca_pem() {
        Some(pem) => certificates(pem, "the CA certificate")?,
        None => Vec::new(),
    };
    let provider = provider();
    let verifier = Verifier::new(trusted, provider.clone())?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(provider_error)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let Some((certificate, key)) = material.client_pem() else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(certificate, "the client certificate")?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
        certificate_error("the client certificate's private key is not usable as PEM")
            .with_source(error)
    })?;
    builder.with_client_auth_cert(chain, key).map_err(|error| {
        certificate_error("the client certificate and its private key cannot be used")
            .with_source(error)
    })
}

/// Creates the rustls configuration of an HTTP client whose nodes all have `http` addresses. The
/// rustls configuration for `http` addresses accepts no server certificate.
pub(super) fn unused() -> Result<ClientConfig, ConfigError> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(provider_error)?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

fn provider_error(error: rustls::Error) -> ConfigError {
    ConfigError::new(
        ConfigErrorKind::Client,
        "the process-wide rustls provider cannot be used",
    )
    .with_source(error)
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let unusable = || certificate_error(format!("{what} is not usable as PEM"));
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable().with_source(error))?;
    if certificates.is_empty() {
        return Err(unusable().with_source("it contains no certificate"));
    }
    Ok(certificates)
}

/// Verifies server certificates with the certificate verifier of the platform. The verifier also
/// accepts each configured certificate as a server certificate, even if the certificate is marked
/// as a CA.
#[derive(Debug)]
struct Verifier {
    platform: Arc<dyn ServerCertVerifier>,
    /// The certificates that the application has configured as trusted CA certificates.
    trusted: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(
        trusted: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, ConfigError> {
        let platform = rustls_platform_verifier::Verifier::new_with_extra_roots(
            trusted.iter().cloned(),
            provider,
        )
        .map_err(|error| {
            if trusted.is_empty() {
                certificate_error(
                    "https needs CA certificates, but the system has none; install the package \
                     `ca-certificates`, set SSL_CERT_FILE to a bundle, or set the CA certificate \
                     (--ca-certificate)",
                )
            } else {
                certificate_error("the CA certificate cannot be used")
            }
            .with_source(error)
        })?;
        Ok(Self {
            platform: Arc::new(platform),
            trusted,
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let result = self.platform.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match result {
            // The platform's verifier reports `CaUsedAsEndEntity` only after it has checked the
            // validity period of the certificate. If the platform's verifier reports
            // `CaUsedAsEndEntity`, only the host name remains to be checked.
            Err(error) if is_ca_used_as_end_entity(&error) && self.trusted.contains(end_entity) => {
                let certificate = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&certificate, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.platform
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.platform
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.platform.supported_verify_schemes()
    }
}

fn is_ca_used_as_end_entity(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
}

/// Describes why a TLS handshake failed, and what the operator can do. Returns `None` if the cause
/// of `error` is not a TLS fault.
pub(super) fn explain(error: &(dyn Error + 'static)) -> Option<String> {
    let error = find(error)?;
    let advice = match error {
        error if is_ca_used_as_end_entity(error) => {
            "the server's certificate is self-signed and marked as a CA (CaUsedAsEndEntity); to \
             trust exactly this certificate, set it as the CA certificate (--ca-certificate)"
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate is issued by a CA that is not trusted; set that CA's \
             certificate (--ca-certificate)"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            "the server's certificate is not valid for this host name; use a name of the \
             certificate in the URL"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the server's certificate has expired",
        rustls::Error::InvalidCertificate(_) => "the server's certificate is not accepted",
        rustls::Error::AlertReceived(_) => {
            "the server refused the handshake; if it requires a client certificate, check the \
             configured one (--client-certificate)"
        }
        rustls::Error::InvalidMessage(_) => {
            "the server does not use TLS on this port; check whether the URL must start with http://"
        }
        _ => "the TLS handshake failed",
    };
    Some(advice.to_owned())
}

/// Searches `error` and its causes for the first rustls error.
fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An I/O error can wrap another error, which `source()` of the I/O error does not return.
        // This function therefore gets the wrapped error with `get_ref` of the I/O error.
        if let Some(inner) = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            && let Some(found) = find(inner)
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}
