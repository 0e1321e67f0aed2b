//! Sends many requests through osproxy while all directives change repeatedly. Tests that no
//! request fails, and that osproxy evaluates each request with a single directive set.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::Method;
use opensearch_directives::document::{Draft, Expiry};
use opensearch_directives::{DiagLevel, DirectiveMatch, EndpointKind};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::client::{Call, Connection};
use super::proxy::{Effects, Proxy};

const TENANTS: usize = 999;
const CONNECTIONS: usize = 8;
const LASTS: Duration = Duration::from_secs(15);
/// The minimum number of generations of directives that the test publishes, even if a slow machine
/// needs longer than `LASTS` for them.
const GENERATIONS_AT_LEAST: u32 = 5;

/// Returns all 1,000 directives of an even generation or of an odd generation.
///
/// A generation contains one directive for each tenant, and one directive that matches all reads.
/// In even generations, the tenant's directive records a span, and the directive for all reads
/// records on osproxy's break-glass tape. In odd generations, the tenant's directive captures
/// requests, and the directive for all reads records nothing. If osproxy evaluated a request with a
/// mixture of two generations, the request would have a combination of effects that neither
/// generation causes.
fn generation(even: bool) -> Vec<Draft> {
    let draft = |id: String, match_| {
        let mut draft = Draft::new(id, DiagLevel::Off, Expiry::After(Duration::from_mins(10)));
        draft.match_ = match_;
        draft
    };
    let mut drafts: Vec<Draft> = (0..TENANTS)
        .map(|n| {
            let mut draft = draft(
                format!("load-{n}"),
                DirectiveMatch::all().for_tenant(tenant(n)),
            );
            if even {
                draft.level = DiagLevel::Shape;
            } else {
                draft.capture = true;
            }
            draft
        })
        .collect();
    let reads = DirectiveMatch::all().for_endpoint(EndpointKind::GetById);
    let mut reads = draft("load-reads".to_owned(), reads);
    reads.ring_buffer = even;
    drafts.push(reads);
    drafts
}

const EVEN: Effects = Effects {
    span: true,
    tape: true,
    capture: false,
};
const ODD: Effects = Effects {
    span: false,
    tape: false,
    capture: true,
};

fn tenant(n: usize) -> String {
    format!("tenant-{n:03}")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_and_none_sees_a_mixed_set() {
    let proxy = Arc::new(Proxy::start("load", Duration::from_millis(100)).await);
    only_refreshed_by_its_writer(&proxy).await;
    for n in 0..TENANTS {
        let mut connection = Connection::open(proxy.address).await;
        write_document(&mut connection, n).await;
    }
    proxy.writer.apply(&generation(true)).await.unwrap();
    proxy.has_directives(TENANTS + 1).await;

    let publishes = || proxy.store.status().counters.publishes;
    let before = publishes();
    let over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..CONNECTIONS)
        .map(|first| tokio::spawn(read(Arc::clone(&proxy), first, Arc::clone(&over))))
        .collect();
    let began = Instant::now();
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut generations = 0;
    while began.elapsed() < LASTS || generations < GENERATIONS_AT_LEAST {
        second.tick().await;
        proxy
            .writer
            .apply(&generation(generations % 2 == 1))
            .await
            .unwrap();
        generations += 1;
    }
    over.store(true, Ordering::Relaxed);
    let took = began.elapsed();
    let mut answers = Vec::new();
    for reader in readers {
        answers.extend(reader.await.unwrap());
    }

    let tape = proxy.tape();
    let mut got = BTreeMap::new();
    for request_id in &answers {
        *got.entry(proxy.effects(request_id, &tape)).or_insert(0) += 1;
    }
    println!(
        "{:.0} requests a second for {:.1} s, {generations} times {} directives changed, {} publishes: {got:?}",
        u32::try_from(answers.len()).map_or(0.0, f64::from) / took.as_secs_f64(),
        took.as_secs_f64(),
        TENANTS + 1,
        publishes() - before,
    );
    let mixed: Vec<_> = got
        .keys()
        .filter(|&&effects| effects != EVEN && effects != ODD)
        .collect();
    assert!(mixed.is_empty(), "a mixed set: {mixed:?}");
    // Osproxy must have evaluated more than 100 requests with an even generation, and more than 100
    // with an odd one, which proves that the directive set changed between the requests.
    assert!(got.len() == 2 && got.values().all(|&requests| requests > 100));
}

/// Reads documents through the proxy until the test sets `over`, and returns the request ids of the
/// reads.
async fn read(proxy: Arc<Proxy>, first: usize, over: Arc<AtomicBool>) -> Vec<String> {
    let mut connection = Connection::open(proxy.address).await;
    let mut answers = Vec::new();
    let mut n = first * 100;
    while !over.load(Ordering::Relaxed) {
        n = (n + 1) % TENANTS;
        let answer = connection
            .send(Call {
                method: &Method::GET,
                path: "/orders/_doc/1",
                tenant: Some(&tenant(n)),
                principal: "checkout",
                body: "",
            })
            .await;
        let body = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 200, "{body}");
        assert!(body.contains(r#""found":true"#), "{body}");
        answers.push(answer.request_id);
    }
    answers
}

async fn write_document(connection: &mut Connection, n: usize) {
    let body = format!(r#"{{"tenant_id":"{}","id":"1","total":{n}}}"#, tenant(n));
    let answer = connection
        .send(Call {
            method: &Method::PUT,
            path: "/orders/_doc/1",
            tenant: None,
            principal: "checkout",
            body: &body,
        })
        .await;
    assert!((200..300).contains(&answer.status), "{:?}", answer.body);
}

/// Disables the periodic refresh of the index, because a periodic refresh could make only a part of
/// a bulk write visible to searches.
async fn only_refreshed_by_its_writer(proxy: &Proxy) {
    let address = proxy
        .upstream
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    let answer = Connection::open(address)
        .await
        .send(Call {
            method: &Method::PUT,
            path: &format!("/{}/_settings", proxy.index),
            tenant: None,
            principal: "",
            body: r#"{"index.refresh_interval":"-1"}"#,
        })
        .await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
}
