//! A transport for tests, which sends nothing over the network. A function of the test returns the
//! response to each request.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Client, ClusterConfig, Request, RequestFailure, Response, Transport};

/// A transport for tests that passes each request to a function of the test, which returns the
/// response.
pub(crate) struct Scripted<F>(F);

impl<F> fmt::Debug for Scripted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl<F> Transport for Scripted<F>
where
    F: Fn(&Request) -> Result<Response, RequestFailure> + Send + Sync,
{
    fn send<'a>(
        &'a self,
        _node: usize,
        request: &'a Request,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        Box::pin(std::future::ready((self.0)(request)))
    }
}

/// Returns a client for tests whose responses come from the function `respond`.
pub(crate) fn scripted_client<F>(respond: F) -> Client
where
    F: Fn(&Request) -> Result<Response, RequestFailure> + Send + Sync + 'static,
{
    let config = ClusterConfig::new(["http://127.0.0.1:9200".parse().unwrap()]);
    Client::over(Arc::new(Scripted(respond)), &config)
}

pub(crate) fn json_response(status: u16, body: &Value) -> Response {
    Response {
        status,
        retry_after: None,
        content_type: Some("application/json".to_owned()),
        body: body.to_string().into(),
    }
}

/// Returns a response of status 200 with `body`, or a failure if `body` is larger than `limit`
/// bytes.
pub(crate) fn bounded_response(limit: usize, body: &Value) -> Result<Response, RequestFailure> {
    let response = json_response(200, body);
    if response.body.len() > limit {
        let limit = limit as u64;
        return Err(RequestFailure::TooLarge { limit });
    }
    Ok(response)
}

/// Returns the beginning of a search response: the fields which show that the response is complete.
pub(crate) fn complete_search(total: usize) -> Value {
    json!({
        "timed_out": false,
        "_shards": { "total": 1, "successful": 1, "failed": 0 },
        "hits": { "total": { "value": total, "relation": "eq" } },
    })
}

pub(crate) fn body_of(request: &Request) -> Value {
    serde_json::from_slice(request.body.as_ref().unwrap()).unwrap()
}

/// Responds to a search for all documents with the page that follows the request's `search_after`.
/// If the search requests only certain fields, the hits of the page have an empty `_source`.
pub(crate) fn page_of(
    documents: &[Value],
    limit: usize,
    request: &Request,
) -> Result<Response, RequestFailure> {
    let search = body_of(request);
    let last = search["search_after"][0].as_u64();
    let skipped = last.map_or(0, |last| usize::try_from(last).unwrap() + 1);
    let size = usize::try_from(search["size"].as_u64().unwrap()).unwrap();
    let has_content = search["_source"].get("includes").is_none();
    let hits = documents.iter().enumerate().skip(skipped).take(size);
    let hits = hits.map(|(number, document)| {
        let source = if has_content { document.clone() } else { json!({}) };
        json!({ "_id": format!("r{number}"), "_seq_no": number, "_source": source, "sort": [number] })
    });
    let mut body = complete_search(documents.len());
    body["hits"]["hits"] = hits.collect();
    bounded_response(limit, &body)
}
