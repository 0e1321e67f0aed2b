//! Configures TLS with the TLS library of the platform, for the feature `native-tls`.

use reqwest::{Certificate, ClientBuilder, Identity};

use super::{TlsMaterial, certificate_error};
use crate::http::config_error::ConfigError;

/// The trusted certificates and the client certificate, parsed into types of `reqwest`.
#[derive(Clone, Default)]
pub(super) struct Config {
    ca_certificates: Vec<Certificate>,
    identity: Option<Identity>,
}

impl Config {
    pub(super) fn new(material: &TlsMaterial, is_used: bool) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if !is_used {
            return Ok(config);
        }
        if let Some(pem) = material.ca_pem() {
            let unusable = || certificate_error("the CA certificate is not usable as PEM");
            config.ca_certificates =
                Certificate::from_pem_bundle(pem).map_err(|error| unusable().with_source(error))?;
            if config.ca_certificates.is_empty() {
                return Err(unusable().with_source("it contains no certificate"));
            }
        }
        if let Some((certificate, key)) = material.client_pem() {
            let identity = Identity::from_pkcs8_pem(certificate, key).map_err(|error| {
                certificate_error("the client certificate and key are not usable as PEM (PKCS #8)")
                    .with_source(error)
            })?;
            config.identity = Some(identity);
        }
        Ok(config)
    }

    pub(super) fn apply(&self, builder: ClientBuilder) -> ClientBuilder {
        let builder = builder
            .tls_backend_native()
            .tls_certs_merge(self.ca_certificates.iter().cloned());
        match &self.identity {
            Some(identity) => builder.identity(identity.clone()),
            None => builder,
        }
    }
}
