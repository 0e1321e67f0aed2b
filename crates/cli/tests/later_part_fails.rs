//! Tests what `apply -f` reports if it sends a large file in several parts, and the first part
//! succeeds but a later part fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::json;

use crate::support::command::{Ran, run_with};
use crate::support::forwarding_proxy::{pass, serve};
use crate::support::http;
use crate::support::node::{installed_index, shared_url};

/// The number of directives in the file that the command applies. The command sends the file in
/// more than one part, because each directive has about 4 KiB.
const DIRECTIVES: usize = 300;

/// The fault that happens when the command sends the second part of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SecondPart {
    /// The proxy in front of the cluster refuses the second part because of its size.
    TooLarge,
    /// The cluster writes the second part, but the response is lost.
    ResponseLost,
    /// The cluster does not receive the second part, and all later reads fail.
    NothingAfterwards,
}

/// Starts a proxy between the command and a node, and returns its address. The proxy causes the
/// fault `second` for the second part of the file.
async fn proxy(node: &str, second: SecondPart) -> String {
    let (parts, node) = (Arc::new(AtomicUsize::new(0)), node.to_owned());
    let forward = async move |request: Request| {
        let is_part = request.uri().path().ends_with("/_bulk");
        let number = if is_part {
            parts.fetch_add(1, Ordering::SeqCst) + 1
        } else {
            parts.load(Ordering::SeqCst)
        };
        let down = || (StatusCode::BAD_GATEWAY, "<html>502</html>").into_response();
        match second {
            _ if number < 2 => pass(&node, request).await,
            SecondPart::TooLarge if is_part => {
                (StatusCode::PAYLOAD_TOO_LARGE, "<html>413</html>").into_response()
            }
            SecondPart::ResponseLost if is_part => {
                pass(&node, request).await;
                down()
            }
            SecondPart::NothingAfterwards => down(),
            SecondPart::TooLarge | SecondPart::ResponseLost => pass(&node, request).await,
        }
    };
    serve(Router::new().fallback(forward)).await
}

fn file() -> String {
    (0..DIRECTIVES)
        .map(|n| {
            let directive = json!({
                "id": format!("d-{n:03}"), "level": "Shape", "tenant": "acme", "ttl_secs": 3600,
                "reason": "x".repeat(4000),
            });
            format!("{directive}\n")
        })
        .collect()
}

async fn apply(second: SecondPart) -> (Ran, usize) {
    let node = shared_url();
    let index = installed_index(&node, "parts").await;
    let url = proxy(&node, second).await;
    let applied = tokio::task::spawn_blocking({
        let index = index.clone();
        move || run_with(&url, &index, &["apply", "-f", "-", "--yes"], &file())
    });
    let ran = applied.await.unwrap();
    // The test refreshes the index before it counts the documents, because the command waits for a
    // refresh only after the last part of the file.
    http::send("POST", &format!("{node}/{index}/_refresh"), None).await;
    let (_, counted) = http::get(&format!("{node}/{index}/_count")).await;
    (
        ran,
        usize::try_from(counted["count"].as_u64().unwrap()).unwrap(),
    )
}

fn lines(ran: &Ran, first_word: &str) -> usize {
    let is_one = |line: &&str| line.starts_with(first_word) && line.contains(" d-");
    ran.stdout.lines().filter(is_one).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_part_that_is_refused_leaves_the_earlier_ones_written_and_reported() {
    let (ran, stored) = apply(SecondPart::TooLarge).await;
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    let written = lines(&ran, "created d-");
    assert!(0 < written && written < DIRECTIVES, "{}", ran.stdout);
    assert_eq!(lines(&ran, "not sent d-"), DIRECTIVES - written);
    assert_eq!(stored, written);
    assert!(ran.stderr.contains("413"), "{}", ran.stderr);
    let sum = format!("{written} created, {} not sent", DIRECTIVES - written);
    assert!(ran.stdout.contains(&sum), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_whose_response_is_lost_is_read_again_and_reported_as_written() {
    let (ran, stored) = apply(SecondPart::ResponseLost).await;
    assert_eq!(lines(&ran, "created d-"), DIRECTIVES, "{}", ran.stderr);
    assert_eq!(stored, DIRECTIVES);
    assert_ne!(ran.code, 0, "the failed request is reported");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_which_nothing_can_be_read_afterwards_is_reported_as_unknown() {
    let (ran, stored) = apply(SecondPart::NothingAfterwards).await;
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let written = lines(&ran, "created d-");
    assert!(0 < written && written < DIRECTIVES, "{}", ran.stdout);
    assert_eq!(lines(&ran, "unknown d-"), DIRECTIVES - written);
    assert_eq!(stored, written, "an operator may apply the file again");
}
