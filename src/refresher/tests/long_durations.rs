//! Tests polls whose intervals are longer than the time that a computer can represent.

use super::*;
use crate::status::RefresherState;

#[tokio::test(start_paused = true)]
async fn p10_intervals_of_any_length_do_not_end_the_refresher() {
    for long in [Duration::MAX, Duration::from_secs(u64::MAX / 2)] {
        let config = config()
            .with_interval(long)
            .with_max_backoff(long)
            .with_reconcile_interval(long);
        let (fake, store) = start_with(&config, Order::Good(1)).await;
        for _ in 0..3 {
            store.refresh().await.unwrap();
            fake.set(Order::Refuse(503, Some(long)));
            store.refresh().await.unwrap_err();
            fake.set(Order::Good(1));
        }
        let status = store.status();
        assert_eq!(status.refresher, RefresherState::Running);
        assert_eq!(
            status.counters.reads.full_reads, 1,
            "{long:?}: no reconcile is due"
        );
        assert_eq!(
            fake.requests("_ingest"),
            1,
            "{long:?}: no comparison is due"
        );
    }
}
