//! Sends requests over the network with HTTP/1.1. Sends a request a second time if the server had
//! closed an idle connection, or if the credentials have changed since the first attempt.

use std::fmt;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION,
    RETRY_AFTER, USER_AGENT,
};
use url::Url;

use super::body;
use super::config::ClusterConfig;
use super::config_error::ConfigError;
use super::credential_reload::{Session, SessionSettings, Sessions};
use super::error::RequestFailure;
use super::forward_proxy;
use super::tls;
use super::transport::{Method, Request, Response, Transport};
use super::wall_clock;

/// The size limit in bytes for the response to a request that expects a small response.
const MAX_SMALL_BYTES: u64 = 1 << 20;
/// The client reads at most this many bytes of an error response.
const MAX_ERROR_BYTES: u64 = 256 << 10;

/// The transport that sends requests over the network.
pub(super) struct NetworkTransport {
    urls: Vec<Url>,
    /// The address of the HTTP proxy of each node; `None` if the client connects to the node
    /// directly.
    proxies: Vec<Option<String>>,
    sessions: Sessions,
    connect_timeout: Duration,
    max_response_bytes: u64,
}

impl fmt::Debug for NetworkTransport {
    /// The `Debug` output contains no fields, because the output of the HTTP clients would contain
    /// credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkTransport").finish_non_exhaustive()
    }
}

impl NetworkTransport {
    pub(super) fn new(config: &ClusterConfig) -> Result<Self, ConfigError> {
        let proxies = forward_proxy::of_nodes(&config.urls, config.use_proxy);
        let needs_proxy = proxies.iter().any(Option::is_some);
        Ok(Self {
            urls: config.urls.clone(),
            proxies,
            sessions: Sessions::new(SessionSettings::new(config, needs_proxy))?,
            connect_timeout: config.connect_timeout,
            max_response_bytes: config.max_response_bytes,
        })
    }

    /// Sends a request with the current credentials. If the request fails, and outdated credentials
    /// or certificates may be the cause, the transport checks for newer credentials and
    /// certificates. If there are newer credentials or certificates, the transport sends the
    /// request again with them.
    async fn send_authorized(
        &self,
        node: usize,
        request: &Request,
    ) -> Result<Response, RequestFailure> {
        let session = self.sessions.current().await?;
        let result = self.send_repeatedly(node, request, &session).await;
        let may_be_outdated = match &result {
            Ok(response) => response.status == 401,
            Err(RequestFailure::Tls { .. } | RequestFailure::Connection(_)) => true,
            Err(_) => false,
        };
        if may_be_outdated && let Some(session) = self.sessions.renew(&session).await {
            return self.send_repeatedly(node, request, &session).await;
        }
        result
    }

    /// Sends a request, and sends the request once more if the connection was closed before the
    /// response began.
    ///
    /// A server or a load balancer closes a connection that has been idle for too long. The server
    /// may close an idle connection at the moment when the client writes the next request. The
    /// second attempt of a request therefore opens a new connection.
    async fn send_repeatedly(
        &self,
        node: usize,
        request: &Request,
        session: &Session,
    ) -> Result<Response, RequestFailure> {
        let through_proxy = self.proxy(node).is_some();
        let url = self.url(node, request);
        let mut fresh = false;
        loop {
            let mut message = reqwest::Request::new(method(request.method), url.clone());
            *message.headers_mut() = headers(request)?;
            *message.body_mut() = request.body.clone().map(Into::into);
            session.authorization().apply(&mut message).await?;
            match session.client(through_proxy, fresh).execute(message).await {
                Ok(response) => return self.receive(response, request).await,
                Err(error) if !fresh && is_broken_connection(&error) => fresh = true,
                Err(error) => return Err(self.failure(error)),
            }
        }
    }

    fn url(&self, node: usize, request: &Request) -> Url {
        let mut url = self.urls[node].clone();
        let path = format!("{}{}", url.path().trim_end_matches('/'), request.path);
        url.set_path(&path);
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        url
    }

    async fn receive(
        &self,
        response: reqwest::Response,
        request: &Request,
    ) -> Result<Response, RequestFailure> {
        let status = response.status();
        let headers = response.headers();
        if status.is_redirection() && status.as_u16() != 304 {
            return Err(RequestFailure::Redirect {
                status: status.as_u16(),
                advice: redirect_advice(&response, request),
            });
        }
        let retry_after = retry_after(headers);
        let content_type =
            text(headers, &CONTENT_TYPE).map(|text| text.chars().take(100).collect());
        let body = if status.is_success() {
            let limit = if request.has_small_response {
                MAX_SMALL_BYTES.min(self.max_response_bytes)
            } else {
                self.max_response_bytes
            };
            body::read(response, limit)
                .await
                .map_err(|failure| match failure {
                    RequestFailure::TooLarge {
                        limit: MAX_SMALL_BYTES,
                    } => RequestFailure::UnexpectedlyLarge(MAX_SMALL_BYTES),
                    failure => failure,
                })?
        } else {
            let limit = MAX_ERROR_BYTES.min(self.max_response_bytes);
            body::read_beginning(response, limit).await?
        };
        Ok(Response {
            status: status.as_u16(),
            retry_after,
            content_type,
            body,
        })
    }

    fn failure(&self, error: reqwest::Error) -> RequestFailure {
        let error = error.without_url();
        if let Some(advice) = tls::explain(&error) {
            return RequestFailure::Tls {
                advice,
                source: error.into(),
            };
        }
        if error.is_timeout() {
            // A timeout of the `reqwest` client means that connecting took too long, because the
            // client sets no other time limit in `reqwest`.
            return RequestFailure::NoConnection(self.connect_timeout);
        }
        RequestFailure::Connection(error.into())
    }
}

impl Transport for NetworkTransport {
    fn send<'a>(
        &'a self,
        node: usize,
        request: &'a Request,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        self.send_authorized(node, request).boxed()
    }

    fn proxy(&self, node: usize) -> Option<&str> {
        self.proxies.get(node)?.as_deref()
    }

    fn credential_reloads(&self) -> (u64, u64) {
        self.sessions.counts()
    }

    fn reload_credentials(&self) {
        self.sessions.expire();
    }
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Put => reqwest::Method::PUT,
        Method::Post => reqwest::Method::POST,
        Method::Delete => reqwest::Method::DELETE,
    }
}

fn headers(request: &Request) -> Result<HeaderMap, RequestFailure> {
    let mut headers = HeaderMap::new();
    let json = HeaderValue::from_static("application/json");
    headers.insert(CONTENT_TYPE, json.clone());
    headers.insert(ACCEPT, json);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let user_agent = concat!("opensearch-directives/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(user_agent));
    for (name, value) in &request.headers {
        let value = HeaderValue::from_str(value)
            .map_err(|error| RequestFailure::Connection(error.into()))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

/// Returns true if an established connection was closed before the response began.
fn is_broken_connection(error: &reqwest::Error) -> bool {
    error.is_request()
        && !error.is_connect()
        && !error.is_timeout()
        && tls::explain(error).is_none()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Returns how long the client should wait according to the `Retry-After` header. The `Retry-After`
/// header contains a number of seconds or a date. A date in `Retry-After` is compared with the date
/// in the `Date` header of the same response. If the response has no `Date` header, the date in
/// `Retry-After` is compared with the local clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, &RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = text(headers, &DATE)
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .unwrap_or_else(wall_clock);
    Some(until.duration_since(now).unwrap_or_default())
}

/// Describes the target of a redirect, and the URL that the operator should configure instead. The
/// description omits the user name, the password, the query and the fragment of the redirect's
/// target, because they may contain secrets.
fn redirect_advice(response: &reqwest::Response, request: &Request) -> String {
    let Some(target) =
        text(response.headers(), &LOCATION).and_then(|target| response.url().join(target).ok())
    else {
        return "an unknown address; check the URL".to_owned();
    };
    let mut target = target;
    target.set_query(None);
    target.set_fragment(None);
    // The results of `set_username` and `set_password` are ignored, because these calls fail only
    // for an address without a host, which cannot contain a user name.
    let _ = target.set_username("");
    let _ = target.set_password(None);
    let target: String = target.as_str().chars().take(200).collect();
    match target.strip_suffix(request.path.as_str()) {
        Some(base) => format!("{target}; set the URL to {base}"),
        None => format!("{target}; set the URL to the address of the cluster itself"),
    }
}
