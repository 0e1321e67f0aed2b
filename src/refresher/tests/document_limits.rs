//! Tests that every kind of read applies the bound on the number of all stored documents.

use super::*;

/// The transport has this many documents, which is five times `max_documents`. A delta read reads
/// fewer documents.
const STORED: u64 = 150;

#[tokio::test(start_paused = true)]
async fn a_delta_read_fails_if_the_index_stores_more_documents_than_the_bound_permits() {
    let after_the_end = Standing("2030-01-01T13:00:00Z".parse().unwrap());
    let config = config()
        .with_max_documents(30)
        .with_clock(Arc::new(after_the_end));
    let (fake, store) = start_with(&config, Order::Good(STORED)).await;
    assert_eq!(store.status().unfinished, Some(0));
    fake.set(Order::Good(STORED + 1));
    let error = store.refresh().await.unwrap_err();
    let kind = error.poll_error().unwrap().kind();
    assert_eq!(kind, PollErrorKind::TooManyDocuments);
    let status = store.status();
    let text = status.last_error.unwrap();
    assert!(
        text.contains("151 documents, ended ones included"),
        "{text}"
    );
    assert_eq!(
        status.counters.reads.full_reads, 1,
        "the second read was a delta read"
    );
    assert_eq!(store.load().len(), 150, "the published set stays");
    fake.set(Order::Good(STORED));
    store.refresh().await.unwrap();
}
