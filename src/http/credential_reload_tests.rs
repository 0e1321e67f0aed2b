//! Tests that requests are sent with the last good credentials while a credentials provider does not
//! respond.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::AtomicBool;

use super::*;

/// Returns sessions whose credentials provider does not respond while the flag is set.
fn sessions() -> (Sessions, Arc<AtomicBool>) {
    let hangs = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&hangs);
    let credentials = Credentials::provider(move || {
        let hangs = flag.load(Ordering::Relaxed);
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok(Credentials::Bearer("token".into()))
        }
    });
    let url = "http://127.0.0.1:9200".parse().unwrap();
    let config = ClusterConfig::new([url]).with_credentials(credentials);
    let settings = SessionSettings::new(&config, false);
    (Sessions::new(settings).unwrap(), hangs)
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_leaves_the_last_good_credentials_in_use() {
    let (sessions, hangs) = sessions();
    let good = sessions.current().await.unwrap();
    hangs.store(true, Ordering::Relaxed);
    tokio::time::advance(RENEW_EVERY).await;
    let begun = Instant::now();
    let within = ClusterConfig::DEFAULT_REQUEST_TIMEOUT;
    let session = tokio::time::timeout(within, sessions.current()).await;
    assert!(Arc::ptr_eq(&session.unwrap().unwrap(), &good));
    assert!(begun.elapsed() < within);
    assert_eq!(sessions.counts(), (0, 1));

    // The next requests do not wait.
    let begun = Instant::now();
    assert!(Arc::ptr_eq(&sessions.current().await.unwrap(), &good));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_dropped_during_a_check_delays_no_other_request() {
    let (sessions, hangs) = sessions();
    let good = sessions.current().await.unwrap();
    hangs.store(true, Ordering::Relaxed);
    tokio::time::advance(RENEW_EVERY).await;
    let short = Duration::from_millis(10);
    let dropped = tokio::time::timeout(short, sessions.current()).await;
    assert!(dropped.is_err());
    let begun = Instant::now();
    assert!(Arc::ptr_eq(&sessions.current().await.unwrap(), &good));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_before_the_first_request_is_named_in_the_error() {
    let (sessions, hangs) = sessions();
    hangs.store(true, Ordering::Relaxed);
    let error = sessions.current().await.err().unwrap();
    let text = chain(&error);
    assert!(text.contains("returned nothing within 1.5s"), "{text}");
    hangs.store(false, Ordering::Relaxed);
    sessions.current().await.unwrap();
}

#[test]
fn a_request_timeout_of_any_length_is_accepted() {
    let url = "http://127.0.0.1:9200".parse().unwrap();
    let config = ClusterConfig::new([url]).with_request_timeout(Duration::MAX);
    let settings = SessionSettings::new(&config, false);
    assert!(settings.reload_timeout < Duration::MAX);
}
