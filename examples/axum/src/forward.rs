//! Forwards each request to OpenSearch and each response to the client, and never buffers a whole
//! body. If directives apply to a request, the proxy records the data that the directives request.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri, Version};
use axum::response::{IntoResponse as _, Response};
use example_proxy::{FORBIDDEN_BODY, Recorder, Recording, Settings, is_protected};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opensearch_directives::tower::AppliedDirectives;

use crate::observed_body::ObservedBody;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The proxy closes a connection to OpenSearch that has been idle for this time. OpenSearch would
/// close idle connections later, so the proxy never sends a request on a connection that OpenSearch
/// is closing.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// The headers that the proxy must not forward, because they apply only to a single connection (RFC
/// 9110, section 7.6.1). The header `Connection` can name further headers that the proxy must not
/// forward.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The data that the handlers of all requests share, such as the client for OpenSearch.
#[derive(Clone)]
pub(crate) struct Proxy {
    client: Client<HttpConnector, Body>,
    authority: Arc<str>,
    index: Arc<str>,
    recorder: Arc<Recorder>,
}

impl Proxy {
    pub(crate) fn new(settings: &Settings, recorder: Arc<Recorder>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Self {
            client,
            authority: settings.authority().into(),
            index: settings.index.as_str().into(),
            recorder,
        }
    }
}

/// Refuses a client's request that may access the directives index. Forwards every other request to
/// OpenSearch, and returns OpenSearch's response.
pub(crate) async fn forward(State(proxy): State<Proxy>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if is_protected(parts.uri.path(), &proxy.index) {
        let json = [(CONTENT_TYPE, "application/json")];
        return (StatusCode::FORBIDDEN, json, FORBIDDEN_BODY).into_response();
    }
    let recording = AppliedDirectives::of(&parts.extensions)
        .map(|applied| proxy.recorder.start(applied, &parts));

    let forwarded = match upstream_request(&proxy, &parts, body, recording.as_ref()) {
        Ok(forwarded) => forwarded,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    match proxy.client.request(forwarded).await {
        Ok(response) => {
            let (mut parts, body) = response.into_parts();
            remove_hop_by_hop(&mut parts.headers);
            // The proxy does not forward the HTTP version of OpenSearch's response, because the
            // client's connection may have another version.
            parts.version = Version::HTTP_11;
            if let Some(recording) = &recording {
                recording.responded(parts.status);
            }
            let body = observed(body, recording, Recording::response_data);
            Response::from_parts(parts, body)
        }
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "no response of OpenSearch"
            );
            if let Some(recording) = &recording {
                recording.responded(StatusCode::BAD_GATEWAY);
            }
            (StatusCode::BAD_GATEWAY, "OpenSearch did not respond\n").into_response()
        }
    }
}

/// Creates the request to OpenSearch from a client's request, without the headers of the client's
/// connection.
fn upstream_request(
    proxy: &Proxy,
    parts: &Parts,
    body: Body,
    recording: Option<&Recording>,
) -> Result<Request, axum::http::Error> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let uri = Uri::builder()
        .scheme("http")
        .authority(&*proxy.authority)
        .path_and_query(path)
        .build()?;
    let body = observed(body, recording.cloned(), Recording::request_data);
    let mut request = Request::new(body);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = parts.headers.clone();
    remove_hop_by_hop(request.headers_mut());
    let host = HeaderValue::from_str(&proxy.authority)?;
    request.headers_mut().insert(HOST, host);
    if let Some(recording) = recording {
        recording.rewritten(&parts.headers, request.headers());
    }
    Ok(request)
}

/// Wraps the body of a request or of a response, so that the recording of the request receives each
/// part of the body. Returns the body unchanged if the proxy does not record the request.
fn observed<B>(body: B, recording: Option<Recording>, show: fn(&Recording, &bytes::Bytes)) -> Body
where
    B: http_body::Body<Data = bytes::Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
{
    match recording {
        None => Body::new(body),
        Some(recording) => Body::new(ObservedBody::new(body, move |data: &bytes::Bytes| {
            show(&recording, data);
        })),
    }
}

/// Removes the headers of a request or a response that apply only to a single connection.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_are_removed_and_others_stay() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Private"),
            ("connection", "x-other"),
            ("x-private", "1"),
            ("x-other", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("accept", "*/*"),
        ] {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["accept"]);
    }
}
