//! The real transport: the `opensearch` crate.
//!
//! The crate asks its connection pool for a node at each request. Ours gives the
//! node that the task is about to ask, so that the caller knows whom it asked and
//! can mark it dead: the crate itself tells a pool nothing of how a request went.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use opensearch::auth::Credentials as ClientCredentials;
use opensearch::http::headers::{
    ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use opensearch::http::response::Response as Received;
use opensearch::http::transport::{
    BuildError, Connection, ConnectionPool, Transport as HttpTransport, TransportBuilder,
};
use secrecy::ExposeSecret as _;

use super::config::ClusterConfig;
use super::config_error::{ConfigError, ConfigErrorKind};
use super::connect::Connecting;
use super::credentials::{Credentials, Tls};
use super::error::RequestFailure;
use super::transport::{Method, Request, Response, Transport};

tokio::task_local! {
    /// The place of the node that this task asks.
    static NODE: usize;
}

/// Gives the connection that the task asks for.
#[derive(Clone, Debug)]
struct TaskPool {
    first: Connection,
    others: Vec<Connection>,
}

impl ConnectionPool for TaskPool {
    fn next(&self) -> Connection {
        let place = NODE.try_with(|&node| node).unwrap_or(0);
        let connection = place
            .checked_sub(1)
            .and_then(|other| self.others.get(other))
            .unwrap_or(&self.first);
        connection.clone()
    }
}

/// Sends through the `opensearch` crate.
#[derive(Debug)]
pub(super) struct OpenSearchTransport {
    // Its `Debug` would print credentials.
    http: NoDebug<HttpTransport>,
    connecting: Connecting,
    max_response_bytes: u64,
}

struct NoDebug<T>(T);

impl<T> std::fmt::Debug for NoDebug<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

impl OpenSearchTransport {
    pub(super) fn new(config: &ClusterConfig) -> Result<Self, ConfigError> {
        let mut connections = config.urls.iter().cloned().map(Connection::new);
        let pool = TaskPool {
            first: connections
                .next()
                .ok_or_else(|| ConfigError::new(ConfigErrorKind::Url, "no url"))?,
            others: connections.collect(),
        };
        let builder = authenticate(TransportBuilder::new(pool), &config.credentials)?;
        let builder = trust(builder, &config.tls)?;
        let http = builder
            .build()
            .map_err(|error| build_error(error, &config.credentials))?;
        Ok(Self {
            http: NoDebug(http),
            connecting: Connecting::new(&config.urls, config.connect_timeout),
            max_response_bytes: config.max_response_bytes,
        })
    }

    async fn answer(
        &self,
        request: &Request,
        timeout: Duration,
    ) -> Result<Response, RequestFailure> {
        let method = match request.method {
            Method::Get => opensearch::http::Method::Get,
            Method::Put => opensearch::http::Method::Put,
            Method::Post => opensearch::http::Method::Post,
            Method::Delete => opensearch::http::Method::Delete,
        };
        let mut headers = HeaderMap::new();
        // A compressed answer hides its length, which is what the cap is checked on.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, value) in &request.headers {
            let value = HeaderValue::from_str(value)
                .map_err(|error| RequestFailure::Connection(error.into()))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let response = self
            .http
            .0
            .send(
                method,
                &request.path,
                headers,
                Some(&request.query),
                request.body.clone(),
                Some(timeout),
            )
            .await
            .map_err(|error| request_error(error, timeout))?;
        self.bounded(response, timeout).await
    }

    async fn bounded(
        &self,
        response: Received,
        timeout: Duration,
    ) -> Result<Response, RequestFailure> {
        let limit = self.max_response_bytes;
        let too_large = |length: u64| length > limit;
        if response.content_length().is_some_and(too_large) {
            return Err(RequestFailure::TooLarge { limit });
        }
        let status = response.status_code().as_u16();
        let retry_after = header(&response, &RETRY_AFTER)
            .and_then(|seconds| seconds.trim().parse().ok())
            .map(Duration::from_secs);
        let content_type = header(&response, &CONTENT_TYPE);
        let body = response
            .bytes()
            .await
            .map_err(|error| request_error(error, timeout))?;
        if too_large(body.len() as u64) {
            return Err(RequestFailure::TooLarge { limit });
        }
        Ok(Response {
            status,
            retry_after,
            content_type,
            body,
        })
    }
}

impl Transport for OpenSearchTransport {
    fn send<'a>(
        &'a self,
        node: usize,
        request: &'a Request,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        async move {
            self.connecting.check(node).await?;
            let answer = NODE.scope(node, self.answer(request, timeout)).await;
            self.connecting.note(node, answer.is_ok());
            answer
        }
        .boxed()
    }
}

fn header(response: &Received, name: &HeaderName) -> Option<String> {
    // The crate's own `content_type()` panics without the header.
    response
        .headers()
        .get(name)?
        .to_str()
        .ok()
        .map(str::to_owned)
}

fn request_error(error: opensearch::Error, timeout: Duration) -> RequestFailure {
    if error.is_timeout() {
        return RequestFailure::Timeout(timeout);
    }
    RequestFailure::Connection(error.into())
}

fn build_error(error: BuildError, credentials: &Credentials) -> ConfigError {
    #[cfg(feature = "rustls-tls")]
    if let (BuildError::Cert(_), Credentials::ClientCertificate(_)) = (&error, credentials) {
        return certificate_error("client certificate").with_source(error);
    }
    #[cfg(not(feature = "rustls-tls"))]
    let _ = credentials;
    ConfigError::new(ConfigErrorKind::Client, "cannot build the HTTP client").with_source(error)
}

fn certificate_error(what: &str) -> ConfigError {
    ConfigError::new(
        ConfigErrorKind::Certificate,
        format!("{what}: not usable as PEM"),
    )
}

#[cfg_attr(
    not(any(feature = "rustls-tls", feature = "native-tls")),
    expect(clippy::unnecessary_wraps, reason = "fallible with TLS")
)]
fn trust(builder: TransportBuilder, tls: &Tls) -> Result<TransportBuilder, ConfigError> {
    match tls {
        Tls::System => Ok(builder),
        #[cfg(any(feature = "rustls-tls", feature = "native-tls"))]
        Tls::CertificateAuthority(pem) => {
            use opensearch::cert::{Certificate, CertificateValidation};
            let certificates = Certificate::from_pem(pem)
                .map_err(|error| certificate_error("CA certificate").with_source(error))?;
            Ok(builder.cert_validation(CertificateValidation::Full(certificates)))
        }
        #[cfg(not(any(feature = "rustls-tls", feature = "native-tls")))]
        Tls::CertificateAuthority(_) => Ok(builder),
    }
}

#[cfg_attr(
    not(feature = "aws-sigv4"),
    expect(clippy::unnecessary_wraps, reason = "fallible with SigV4")
)]
fn authenticate(
    builder: TransportBuilder,
    credentials: &Credentials,
) -> Result<TransportBuilder, ConfigError> {
    let credentials = match credentials {
        Credentials::None => return Ok(builder),
        Credentials::Basic { username, password } => {
            ClientCredentials::Basic(username.clone(), password.expose_secret().to_owned())
        }
        Credentials::Bearer(token) => ClientCredentials::Bearer(token.expose_secret().to_owned()),
        Credentials::ApiKey { id, key } => {
            ClientCredentials::ApiKey(id.clone(), key.expose_secret().to_owned())
        }
        #[cfg(feature = "rustls-tls")]
        Credentials::ClientCertificate(pem) => ClientCredentials::Certificate(
            opensearch::auth::ClientCertificate::Pem(pem.expose_secret().as_bytes().to_vec()),
        ),
        #[cfg(feature = "aws-sigv4")]
        Credentials::AwsSigV4 {
            provider,
            region,
            service,
        } => {
            if service.is_empty() || region.is_empty() {
                return Err(ConfigError::setting(
                    "AWS region and service",
                    "both are needed to sign a request",
                ));
            }
            return Ok(builder
                .service_name(service)
                .auth(ClientCredentials::AwsSigV4(
                    provider.clone(),
                    aws_types::region::Region::new(region.clone()),
                )));
        }
    };
    Ok(builder.auth(credentials))
}
