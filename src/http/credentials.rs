//! The methods by which a client authenticates itself to the cluster. The `Debug` output of
//! credentials contains no secret.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::secret::Secret;

/// The credentials that authenticate requests to the cluster. Credentials can be combined with a
/// client certificate; [`Tls`](super::Tls) contains the certificate.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Credentials {
    /// The client sends its requests to the cluster without credentials.
    #[default]
    None,
    /// The client authenticates itself with HTTP basic authentication: a user name and a password.
    Basic {
        /// The user name with which the client authenticates itself, without a colon.
        username: String,
        /// The password of the user with the name `username`.
        password: Secret,
    },
    /// The client authenticates itself with a bearer token, such as a JSON web token.
    Bearer(Secret),
    /// The client sends an API key of the form `ID:KEY`, encoded in base64, in the `Authorization`
    /// header with the scheme `ApiKey`.
    ApiKey(Secret),
    /// A function of the application returns the credentials; see [`provider`](Self::provider).
    Provider(CredentialsProvider),
    /// The client signs each request with AWS Signature Version 4. The client gets the AWS keys
    /// from the provider for each request, so it uses rotated keys immediately.
    #[cfg(feature = "aws-sigv4")]
    AwsSigV4 {
        /// The provider from which the client gets the AWS keys for each request.
        provider: aws_credential_types::provider::SharedCredentialsProvider,
        /// The AWS region of the cluster, such as `eu-central-1`.
        region: String,
        /// The AWS service for which the client signs its requests, such as `es` for OpenSearch
        /// Service.
        service: String,
    },
}

/// A function of the application that returns the current credentials.
#[derive(Clone)]
pub struct CredentialsProvider(Arc<Provide>);

type Provide = dyn Fn() -> BoxFuture<'static, Result<Credentials, BoxError>> + Send + Sync;
type BoxError = Box<dyn Error + Send + Sync>;

impl Credentials {
    /// Creates credentials that come from `provide`, a function of the application. The client
    /// calls `provide` before the first request, once a minute, and after a response of status 401
    /// or a failed connection. If `provide` fails, or returns nothing within three quarters of the
    /// request timeout, the client continues to use the last credentials that `provide` returned,
    /// and drops the future. Before the first request, there are no such credentials, so the
    /// request fails.
    ///
    /// ```
    /// use opensearch_directives::Credentials;
    ///
    /// # async fn current_token() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// let credentials = Credentials::provider(|| async {
    ///     Ok(Credentials::Bearer(current_token().await?.into()))
    /// });
    /// ```
    pub fn provider<F, R>(provide: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Credentials, BoxError>> + Send + 'static,
    {
        Self::Provider(CredentialsProvider(Arc::new(move || provide().boxed())))
    }

    /// Returns what an operator should check if the cluster does not accept the credentials.
    pub(super) fn to_check(&self) -> &'static str {
        match self {
            Self::None => "set a user and password, a token, an API key or a client certificate",
            Self::Basic { .. } => "check user and password",
            Self::Bearer(_) => "check the token",
            Self::ApiKey(_) => "check the API key",
            Self::Provider(_) => "check the credentials that the application provides",
            #[cfg(feature = "aws-sigv4")]
            Self::AwsSigV4 { .. } => "check the AWS credentials, region and service",
        }
    }

    /// Returns true if the requests contain a secret that somebody who reads the network traffic
    /// could use for other requests.
    pub(super) fn can_be_reused_by_an_eavesdropper(&self) -> bool {
        match self {
            Self::None => false,
            #[cfg(feature = "aws-sigv4")]
            Self::AwsSigV4 { .. } => false,
            _ => true,
        }
    }
}

impl CredentialsProvider {
    pub(super) async fn provide(&self) -> Result<Credentials, BoxError> {
        (self.0)().await
    }
}

impl fmt::Debug for CredentialsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialsProvider(..)")
    }
}
