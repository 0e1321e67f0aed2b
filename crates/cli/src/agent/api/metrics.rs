//! `/metrics`: returns the metrics as OpenMetrics or in Prometheus's text format.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use prometheus_client::encoding::{prometheus_text, text as openmetrics_text};

use super::openapi::Internal;
use super::problem::Problem;
use super::state::Agent;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Metrics for Prometheus
///
/// The format is OpenMetrics if the `Accept` header names it, otherwise Prometheus's text format
/// 0.0.4.
#[utoipa::path(get, path = "/metrics",
    responses((status = 200, description = "The metrics", content(
        (String = "text/plain"), (String = "application/openmetrics-text"))), Internal))]
pub(super) async fn get(
    State(agent): State<Agent>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tasks = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    agent.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
    let mut text = String::new();
    let (encoded, content_type) = if prefers_openmetrics(&headers) {
        let encoded = openmetrics_text::encode(&mut text, &agent.registry);
        (encoded, OPENMETRICS)
    } else {
        let encoded = prometheus_text::encode(&mut text, &agent.registry);
        (encoded, prometheus_text::CONTENT_TYPE)
    };
    encoded.map_err(|_| Problem::internal("the metrics cannot be encoded"))?;
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::VARY, "accept"),
    ];
    Ok((headers, text).into_response())
}

/// Returns true if the `Accept` header gives OpenMetrics at least the weight of plain text. A
/// wildcard in the `Accept` header counts as plain text, because every client understands plain
/// text.
fn prefers_openmetrics(headers: &HeaderMap) -> bool {
    let (mut openmetrics, mut plain) = (0.0_f32, 0.0_f32);
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default().to_lowercase();
            let mut weight = 1.0;
            let mut is_supported = true;
            for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
                match name.trim() {
                    "q" => weight = value.trim().parse().unwrap_or(0.0),
                    "version" => is_supported = matches!(value.trim(), "1.0.0" | "0.0.1" | "0.0.4"),
                    _ => {}
                }
            }
            match media_type.as_str() {
                "application/openmetrics-text" if is_supported => {
                    openmetrics = openmetrics.max(weight);
                }
                "text/plain" if is_supported => plain = plain.max(weight),
                _ => {}
            }
        }
    }
    openmetrics > 0.0 && openmetrics >= plain
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn openmetrics_is_for_clients_that_name_it() {
        for (accept, expected) in [
            (None, false),
            (Some(""), false),
            (Some("*/*"), false),
            (Some("text/plain"), false),
            (Some("text/*;q=0.5, */*;q=0.1"), false),
            (Some("application/openmetrics-text;q=0"), false),
            (Some("application/openmetrics-text;version=2.0.0"), false),
            (Some("application/openmetrics-text"), true),
            (
                Some("Application/OpenMetrics-Text; version=1.0.0, */*"),
                true,
            ),
            // The `Accept` headers that Prometheus 2 and Prometheus 3 send.
            (
                Some(
                    "application/openmetrics-text;version=1.0.0;q=0.5,\
                     application/openmetrics-text;version=0.0.1;q=0.4,\
                     text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                ),
                true,
            ),
            (
                Some(
                    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                     application/openmetrics-text;version=0.0.1;q=0.5,\
                     text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                     text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                ),
                true,
            ),
            (
                Some("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.5"),
                false,
            ),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(prefers_openmetrics(&headers), expected, "{accept:?}");
        }
    }
}
