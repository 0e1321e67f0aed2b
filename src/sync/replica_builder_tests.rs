//! Tests that the pages of a full read are decoded into a replica.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use std::fmt::Write as _;
use std::time::Duration;

use super::*;
use crate::rest::{PAGE_SIZE, take_page};
use opensearch_directives_core::document::DecodeLimits;

/// Returns the id of the test document `n`. The ids of the test documents have another order than
/// the numbers `n`.
fn id(n: usize) -> String {
    format!("d-{:06}", n * 77_777 % 1_000_003)
}

/// Returns one page of search results in OpenSearch's response format. Each directive on the page
/// targets a different tenant.
fn page(ids: std::ops::Range<usize>, total: usize) -> Vec<u8> {
    let mut hits = String::new();
    for n in ids {
        write!(
            hits,
            r#"{{"_id":"{}","_seq_no":{n},"_source":{{"targets":["tenant"],"revoked":false,"starts_at":"2030-01-01T12:00:00Z","level":"Shape","tenant":"tenant-{n:06}","sample_per_mille":1000,"ring_buffer":false,"capture":false,"expires_at":"2030-01-01T12:15:00Z","created_at":"2030-01-01T12:00:00Z","updated_at":"2030-01-01T12:00:00Z","updated_by":"ann"}},"sort":[{n}]}},"#,
            id(n)
        )
        .unwrap();
    }
    hits.pop();
    format!(
        r#"{{"timed_out":false,"_shards":{{"total":1,"successful":1,"failed":0}},"hits":{{"total":{{"value":{total},"relation":"eq"}},"hits":[{hits}]}}}}"#
    )
    .into_bytes()
}

/// The documents of this test arrive in another order than the order of the directive set, as they
/// do after updates.
#[test]
fn a_full_read_needs_at_most_the_memory_of_the_replica_and_two_pages() {
    const DIRECTIVES: usize = 200_000;
    let bodies: Vec<Vec<u8>> = (0..DIRECTIVES)
        .step_by(PAGE_SIZE)
        .map(|begin| page(begin..begin + PAGE_SIZE, DIRECTIVES))
        .collect();
    let body = bodies.iter().map(Vec::len).max().unwrap();
    let limits = DecodeLimits {
        now: "2030-01-01T12:00:00Z".parse().unwrap(),
        max_ttl: Duration::from_secs(60 * 60),
    };
    let mut replica = Replica::default();
    let used = allocation_counter::measure(|| {
        let mut collector = ReplicaBuilder::new(DocumentDecoder::new(limits, "u", None));
        for body in &bodies {
            let Ok(page) = take_page(body, collector, DIRECTIVES as u64, None) else {
                panic!("a page is refused");
            };
            collector = page.collector;
        }
        replica = collector.finish().unwrap();
    });
    assert_eq!(replica.set().len(), DIRECTIVES);
    let ids: Vec<String> = replica.set().iter().map(|one| one.id.to_owned()).collect();
    assert!(ids.is_sorted());
    for nth in [0, 1, 77_777, DIRECTIVES - 1] {
        let n = replica.seq_no(&ids[nth]);
        assert_eq!(
            n.map(|n| id(usize::try_from(n).unwrap())).as_ref(),
            Some(&ids[nth])
        );
    }
    let kept = allocation_counter::measure(|| replica = Replica::default());
    let kept = usize::try_from(-kept.bytes_current).unwrap();
    // A full read drops each page before it requests the next page, so only one response body is in
    // memory at a time.
    let peak = usize::try_from(used.bytes_max).unwrap() + body;
    println!(
        "page {body}, kept {kept}, peak {peak}, allowed {}",
        kept + 2 * body
    );
    assert!(
        peak <= kept + 2 * body,
        "page {body}, kept {kept}, peak {peak}"
    );
}
