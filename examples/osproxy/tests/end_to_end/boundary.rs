//! Tests that a directive applies to no request before its start and to no request after its
//! expiry.

use std::collections::HashSet;
use std::time::Duration;

use hyper::Method;
use jiff::Timestamp;
use opensearch_directives::document::{Draft, Expiry};
use opensearch_directives::{Clock as _, DiagLevel, SystemClock};

use super::client::{Call, Connection};
use super::proxy::Proxy;

/// The test accepts that a directive begins to apply up to this duration after its start, because a
/// busy machine may be slow.
const LATE: Duration = Duration::from_millis(500);

/// The id of a request, the time just before the client sent it, and the time just after its
/// response arrived. The proxy evaluated the directives for the request between the two times
/// `from` and `to`.
struct Sent {
    from: Timestamp,
    to: Timestamp,
    request_id: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recorded_before_the_start_or_from_the_expiry_on() {
    // The poll interval is longer than the test, because the directive must start and expire
    // without a poll.
    let proxy = Proxy::start("boundary", Duration::from_mins(10)).await;
    let mut connection = Connection::open(proxy.address).await;
    let now = SystemClock.now();
    let (start, expiry) = (now + Duration::from_secs(3), now + Duration::from_secs(5));
    let mut draft = Draft::new("boundary", DiagLevel::Shape, Expiry::At(expiry));
    draft.starts_at = Some(start);
    proxy.writer.apply(&[draft]).await.unwrap();
    proxy.store.refresh().await.unwrap();
    assert!(
        SystemClock.now() < start,
        "the machine is too slow for this test"
    );

    let end = expiry + Duration::from_secs(1);
    let mut sent = Vec::new();
    while SystemClock.now() < end {
        let from = SystemClock.now();
        let answer = connection
            .send(Call {
                method: &Method::GET,
                path: "/orders/_doc/none",
                tenant: Some("acme"),
                principal: "checkout",
                body: "",
            })
            .await;
        let to = SystemClock.now();
        sent.push(Sent {
            from,
            to,
            request_id: answer.request_id,
        });
    }

    let (mut before, mut during, mut after) = (0, 0, 0);
    for request in &sent {
        let recorded = proxy.effects(&request.request_id, &HashSet::default()).span;
        if request.to < start {
            before += 1;
            assert!(!recorded, "recorded before the start, at {}", request.to);
        } else if request.from >= expiry {
            after += 1;
            assert!(!recorded, "recorded after the expiry, at {}", request.from);
        } else if request.from >= start + LATE && request.to < expiry {
            during += 1;
            assert!(recorded, "not recorded at {}", request.from);
        }
    }
    println!("{before} requests before, {during} during, {after} after");
    assert!(before > 10 && during > 10 && after > 10);
}
