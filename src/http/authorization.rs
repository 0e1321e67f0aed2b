//! Builds the `Authorization` header of each request from the configured secrets, or signs each
//! request for AWS.

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

/// How the client authenticates its requests to the cluster: not at all, with an `Authorization`
/// header that contains the current secrets, or with an AWS signature.
#[derive(Clone)]
pub(super) enum Authorization {
    None,
    Header(HeaderValue),
    #[cfg(feature = "aws-sigv4")]
    AwsSigV4(Signer),
}

impl Authorization {
    /// Reads the passwords, tokens and keys of `credentials`. If `credentials` refers to a file,
    /// the call blocks the thread while it reads the file. If `credentials` is a
    /// [`Credentials::Provider`], the caller must call the provider first, and must pass the
    /// credentials that the provider returned.
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
            // The error for an invalid `Authorization` header omits its cause, because the message
            // of the cause could contain the secret.
            error("the credentials contain characters that a header cannot carry")
        })?;
        value.set_sensitive(true);
        Ok(Self::Header(value))
    }

    /// Adds the `Authorization` header to a request, or signs the request for AWS.
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

    /// Returns true if `self` and `before` authenticate requests with the same credentials, so that
    /// the client needs no new session.
    pub(super) fn is_same_as_before(&self, before: Option<&Self>) -> bool {
        match (self, before) {
            (Self::None, Some(Self::None)) => true,
            (Self::Header(one), Some(Self::Header(other))) => one == other,
            // All AWS signers count as equal, because a signer gets its keys from the provider for
            // each request.
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
