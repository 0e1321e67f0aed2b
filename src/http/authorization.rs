//! Builds the `Authorization` header of a request from the configured secrets, or signs the request
//! for AWS.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

#[cfg(feature = "aws-sigv4")]
use super::aws_sigv4::Signer;
use super::config_error::{ConfigError, ConfigErrorKind};
use super::credentials::Credentials;
use super::error::RequestFailure;
use super::secret::Secret;

/// Either the value of the `Authorization` header, which contains the current secrets, or the
/// signer of AWS requests.
#[derive(Clone)]
pub(super) enum Authorization {
    None,
    Header(HeaderValue),
    #[cfg(feature = "aws-sigv4")]
    AwsSigV4(Signer),
}

impl Authorization {
    /// Reads the secrets. The call blocks the thread if a secret is in a file. The caller must
    /// first replace a [`Credentials::Provider`] by the credentials that it provides.
    pub(super) fn read(credentials: &Credentials) -> Result<Self, ConfigError> {
        let value = match credentials {
            Credentials::None => return Ok(Self::None),
            Credentials::Basic { username, .. } if username.is_empty() => {
                return Err(error("a password needs a user name, which is empty"));
            }
            Credentials::Basic { username, .. } if username.contains(':') => {
                return Err(error("the user name contains a colon"));
            }
            Credentials::Basic { username, password } => {
                let password = read(password, "the password")?;
                let pair = format!("{username}:{}", password.expose_secret());
                format!("Basic {}", BASE64_STANDARD.encode(pair))
            }
            Credentials::Bearer(token) => {
                format!("Bearer {}", read(token, "the token")?.expose_secret())
            }
            Credentials::ApiKey(key) => {
                let key = read(key, "the API key")?;
                if !key.expose_secret().contains(':') {
                    return Err(error("the API key has no colon; write it as ID:KEY"));
                }
                format!("ApiKey {}", BASE64_STANDARD.encode(key.expose_secret()))
            }
            Credentials::Provider(_) => {
                return Err(error("the credentials provider returned another provider"));
            }
            #[cfg(feature = "aws-sigv4")]
            Credentials::AwsSigV4 {
                provider,
                region,
                service,
            } => return Signer::new(provider, region, service).map(Self::AwsSigV4),
        };
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            // The cause of the error is dropped, because its message could contain the secret.
            error("the credentials contain characters that a header cannot carry")
        })?;
        value.set_sensitive(true);
        Ok(Self::Header(value))
    }

    /// Adds the `Authorization` header to a request, or signs the request.
    #[cfg_attr(
        not(feature = "aws-sigv4"),
        expect(clippy::unused_async, reason = "a signature waits for its keys")
    )]
    pub(super) async fn apply(&self, request: &mut reqwest::Request) -> Result<(), RequestFailure> {
        match self {
            Self::None => {}
            Self::Header(value) => {
                request.headers_mut().insert(AUTHORIZATION, value.clone());
            }
            #[cfg(feature = "aws-sigv4")]
            Self::AwsSigV4(signer) => signer
                .sign(request)
                .await
                .map_err(RequestFailure::Credentials)?,
        }
        Ok(())
    }

    /// Returns true if `self` has the same effect on requests as the previous credentials.
    pub(super) fn is_same_as_before(&self, before: Option<&Self>) -> bool {
        match (self, before) {
            (Self::None, Some(Self::None)) => true,
            (Self::Header(one), Some(Self::Header(other))) => one == other,
            // A signer gets its keys from the provider for each request, so any two signers are
            // equivalent.
            #[cfg(feature = "aws-sigv4")]
            (Self::AwsSigV4(_), Some(Self::AwsSigV4(_))) => true,
            _ => false,
        }
    }
}

fn read(secret: &Secret, what: &str) -> Result<SecretString, ConfigError> {
    secret
        .read()
        .map_err(|source| error(&format!("{what} cannot be used")).with_source(source))
}

fn error(message: &str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Credentials, message)
}
