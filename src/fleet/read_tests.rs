//! Tests with scripted responses that reports which no instance writes neither hide other reports nor
//! take much memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::*;
use crate::http::{ClusterConfig, Request, RequestFailure, Response, Transport};

/// A transport that returns the reports page by page, and refuses responses beyond a limit.
#[derive(Debug)]
struct Paged {
    reports: Vec<Value>,
    limit: usize,
}

impl Transport for Paged {
    fn send<'a>(
        &'a self,
        _node: usize,
        request: &'a Request,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        let search: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        let last = search["search_after"][0].as_u64();
        let skipped = last.map_or(0, |last| usize::try_from(last).unwrap() + 1);
        let size = usize::try_from(search["size"].as_u64().unwrap()).unwrap();
        let has_content = search["_source"].get("includes").is_none();
        let hits = self.reports.iter().enumerate().skip(skipped).take(size);
        let hits = hits.map(|(number, report)| {
            let source = if has_content { report.clone() } else { json!({}) };
            json!({ "_id": format!("r{number}"), "_seq_no": number, "_source": source, "sort": [number] })
        });
        let response = json!({
            "timed_out": false,
            "_shards": { "total": 1, "successful": 1, "failed": 0 },
            "hits": {
                "total": { "value": self.reports.len(), "relation": "eq" },
                "hits": hits.collect::<Vec<_>>(),
            },
        });
        let body = response.to_string();
        let result = if body.len() > self.limit {
            let limit = self.limit as u64;
            Err(RequestFailure::TooLarge { limit })
        } else {
            Ok(Response {
                status: 200,
                retry_after: None,
                content_type: Some("application/json".to_owned()),
                body: body.into(),
            })
        };
        Box::pin(std::future::ready(result))
    }
}

fn report(number: usize) -> Value {
    let noon = "2030-01-01T12:00:00Z";
    json!({
        "instance": format!("proxy-{number}"), "version": "1", "kind": "agent", "index": "directives",
        "documents": 0, "sum_seq_no": 0, "digest": "d", "directives": 0, "revoked": 0, "off": false,
        "rejected": 0, "staleness": "fresh", "started": noon, "reported_at": noon,
        "heartbeat_seconds": 60, "left": false,
    })
}

#[tokio::test]
async fn a_report_that_no_instance_writes_hides_no_other_report() {
    let mut all: Vec<Value> = (0..450).map(report).collect();
    all[7]["staleness"] = "x".repeat(2_000_000).into();
    all[8]["host"] = "x".repeat(301).into();
    all[9]["via"] = json!(vec!["agent"; 9]);
    all[300]["documents"] = json!(-1);
    let transport = Paged {
        reports: all,
        limit: 1_000_000,
    };
    let config = ClusterConfig::new(["http://127.0.0.1:9200".parse().unwrap()]);
    let api = DirectivesApi::new(Client::over(Arc::new(transport), &config));
    let found = api.reports(MAX_BYTES).await.unwrap();
    assert_eq!((found.readable.len(), found.omitted), (446, 0));
    let unreadable = found.unreadable.iter();
    let unreadable = unreadable.map(|one| (&*one.instance, &*one.reason));
    let [large, host, via, wrong] = unreadable.collect::<Vec<_>>()[..] else {
        panic!("{:?}", found.unreadable);
    };
    assert_eq!(large, ("r7", "it is larger than the limit of a response"));
    assert_eq!(host, ("r8", "the field host is out of bounds"));
    assert_eq!(via, ("r9", "the field via is out of bounds"));
    assert_eq!(wrong.0, "r300");
}

/// Without a bound on all reports together, the fleet of a hostile writer could take the reader's
/// memory with reports each of which is small enough.
#[tokio::test]
async fn reports_beyond_the_bound_of_all_together_are_not_read() {
    let transport = Paged {
        reports: (0..1_000).map(report).collect(),
        limit: 1_000_000,
    };
    let config = ClusterConfig::new(["http://127.0.0.1:9200".parse().unwrap()]);
    let api = DirectivesApi::new(Client::over(Arc::new(transport), &config));
    let one = report(100).to_string().len();
    let found = api.reports(300 * one).await.unwrap();
    // The bound is checked after each page.
    assert_eq!((found.readable.len(), found.omitted), (400, 600));
}
