//! Requests the certificates of the nodes from the security plugin.

use serde::Deserialize;

use crate::admin::{DirectivesApi, WriteError};
use crate::http::{Method, Request};

/// A certificate with which the nodes serve HTTPS.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[non_exhaustive]
pub struct ServerCertificate {
    /// The distinguished name of the certificate's subject.
    #[serde(rename = "subject_dn")]
    pub subject: String,
    /// The time until which the certificate is valid, in the format of the security plugin.
    pub not_after: String,
}

impl DirectivesApi {
    /// Returns the certificates with which the nodes serve HTTPS.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, has no security plugin, or does not permit
    /// the request. Only administrators of the security plugin may request the certificates.
    pub async fn server_certificates(&self) -> Result<Vec<ServerCertificate>, WriteError> {
        #[derive(Deserialize)]
        struct Certificates {
            #[serde(default)]
            http_certificates_list: Vec<ServerCertificate>,
        }
        let request = Request::new(Method::Get, "/_plugins/_security/api/ssl/certs");
        let certificates: Certificates = self.json(request).await?;
        Ok(certificates.http_certificates_list)
    }
}
