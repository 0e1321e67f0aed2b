//! Who we are to the cluster, and whom we trust. Nothing here prints a secret.

use std::fmt;

use secrecy::SecretString;

/// What proves to the cluster who is asking.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// HTTP basic authentication.
    Basic {
        /// The user's name.
        username: String,
        /// The user's password.
        password: SecretString,
    },
    /// A bearer token, such as a JSON web token.
    Bearer(SecretString),
    /// An API key, sent as `Authorization: ApiKey base64(id:key)`.
    ApiKey {
        /// The key's id.
        id: String,
        /// The key.
        key: SecretString,
    },
    /// A client certificate and its private key, both PEM, in one text.
    /// Needs the feature `rustls-tls`.
    #[cfg(feature = "rustls-tls")]
    ClientCertificate(SecretString),
    /// AWS Signature Version 4. The provider is asked at each request, so credentials
    /// that rotate are followed.
    #[cfg(feature = "aws-sigv4")]
    AwsSigV4 {
        /// Gives the keys.
        provider: aws_credential_types::provider::SharedCredentialsProvider,
        /// The region, such as `eu-central-1`.
        region: String,
        /// `es` for OpenSearch Service, `aoss` for OpenSearch Serverless.
        service: String,
    },
}

impl fmt::Debug for Credentials {
    /// Names the kind and the public half, never a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Basic { username, .. } => f
                .debug_struct("Basic")
                .field("username", username)
                .finish_non_exhaustive(),
            Self::Bearer(_) => f.write_str("Bearer(..)"),
            Self::ApiKey { id, .. } => f
                .debug_struct("ApiKey")
                .field("id", id)
                .finish_non_exhaustive(),
            #[cfg(feature = "rustls-tls")]
            Self::ClientCertificate(_) => f.write_str("ClientCertificate(..)"),
            #[cfg(feature = "aws-sigv4")]
            Self::AwsSigV4 {
                region, service, ..
            } => f
                .debug_struct("AwsSigV4")
                .field("region", region)
                .field("service", service)
                .finish_non_exhaustive(),
        }
    }
}

/// Whom we trust to be the cluster.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Tls {
    /// Whom the operating system trusts.
    #[default]
    System,
    /// Also whom these certificates (PEM, one or more) sign for.
    CertificateAuthority(Vec<u8>),
}
