//! Tests in which cases a view counts as certainly newer than another view, and when the low-water
//! mark advances.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use tokio::time::{Instant, advance};

use super::{Convergence, FreshnessBound, LowWatermark};
use crate::rest::{ShardCheckpoints, checkpoints_of};

/// Returns the checkpoints of an index with one shard, whose primary is on `node`.
fn checkpoints(node: &str, max_seq_no: i64, global_checkpoint: i64) -> ShardCheckpoints {
    let body = format!(
        r#"{{"indices":{{"directives":{{"uuid":"u","shards":{{"0":[{{
            "routing":{{"primary":true,"node":"{node}"}},"docs":{{"count":1}},
            "commit":{{"user_data":{{"history_uuid":"h"}}}},
            "seq_no":{{"max_seq_no":{max_seq_no},"global_checkpoint":{global_checkpoint}}}}}]}}}}}}}}"#
    );
    checkpoints_of(body.as_bytes()).unwrap()
}

#[test]
fn p3_a_view_is_newer_if_it_contains_an_operation_above_what_every_copy_held() {
    let mut bound = FreshnessBound::after_read(Some(&checkpoints("a", 9, 7)), Some(9));
    assert!(
        !bound.is_before(Some(100)),
        "no copy but the primary may hold 8 and 9"
    );
    bound.observe_checkpoint(&checkpoints("a", 12, 9), Some(9));
    bound.observe_checkpoint(&checkpoints("a", 20, 20), Some(9));
    assert!(!bound.is_before(Some(12)));
    assert!(bound.is_before(Some(13)));
}

#[test]
fn p3_what_a_former_primary_has_replicated_does_not_count_after_a_failover() {
    let mut bound = FreshnessBound::after_read(Some(&checkpoints("a", 9, 9)), Some(9));
    assert!(bound.is_before(Some(10)));
    bound.observe_checkpoint(&checkpoints("b", 11, 5), Some(9));
    assert!(
        !bound.is_before(Some(12)),
        "a copy may hold 12, but not 6 to 9"
    );
    bound.observe_checkpoint(&checkpoints("b", 14, 9), Some(9));
    assert!(!bound.is_before(Some(14)));
    assert!(bound.is_before(Some(15)));
}

#[test]
fn p13_a_view_without_checkpoints_gets_its_bound_from_the_next_ones() {
    let mut bound = FreshnessBound::after_read(None, Some(9));
    assert!(!bound.is_before(Some(10)));
    bound.observe_checkpoint(&checkpoints("a", 8, 8), Some(9));
    assert!(
        !bound.is_before(Some(10)),
        "9 is an operation that a failover has lost"
    );
    bound.observe_checkpoint(&checkpoints("a", 10, 10), Some(9));
    assert!(bound.is_before(Some(11)));
}

#[tokio::test(start_paused = true)]
async fn the_low_water_mark_advances_only_with_a_poll_that_began_when_every_copy_shows_the_operations()
 {
    let (second, observed) = (Duration::from_secs(1), checkpoints("a", 5, 5));
    let until = Instant::now() + 3 * second;
    let converging = Convergence::Converging { until };
    let watermark = LowWatermark::default().after_view(Some(&observed), converging, Instant::now());
    assert_eq!(watermark.reached(), None);
    let began = Instant::now() + 2 * second;
    advance(4 * second).await;
    // This poll may have searched before the instant `until`, and ends after it.
    let early = watermark.after_view(Some(&observed), converging, began);
    assert_eq!(early.reached(), None);
    let late = early.after_view(Some(&observed), converging, until);
    assert_eq!(late.reached(), Some(5));
}
