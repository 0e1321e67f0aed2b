//! Tests which new connections the limit accepts, and which open connections the agent closes to
//! make room.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::*;

async fn full(limit: usize) -> (Connections, Vec<Admitted>) {
    let connections = Connections::new(limit);
    let mut admitted = Vec::new();
    for _ in 0..limit {
        admitted.push(connections.admit().await);
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    (connections, admitted)
}

#[tokio::test(start_paused = true)]
async fn the_longest_idle_connection_makes_room() {
    let (connections, admitted) = full(3).await;
    tokio::time::advance(FIRST_REQUEST_GRACE).await;
    // The request on the first connection makes it the most recently used one, so the agent closes
    // another connection first.
    drop(admitted[0].begin_request());
    let new = connections.admit().await;
    assert!(!new.health_only);
    let evicted: Vec<bool> = admitted
        .iter()
        .map(|one| one.evicted().now_or_never().is_some())
        .collect();
    assert_eq!(evicted, [false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_a_request_under_way_stays() {
    let (connections, admitted) = full(2).await;
    let _busy: Vec<UnderWay> = admitted.iter().map(Admitted::begin_request).collect();
    for _ in 0..HEALTH_RESERVE {
        let reserved = connections.admit().await;
        assert!(reserved.health_only);
        // The test never ends this request, so the agent cannot close its connection to make room
        // for another one.
        std::mem::forget(reserved.begin_request());
        std::mem::forget(reserved);
    }
    assert!(connections.admit().now_or_never().is_none());
    assert!(
        admitted
            .iter()
            .all(|one| one.evicted().now_or_never().is_none())
    );
}

fn is_evicted(one: &Admitted) -> bool {
    one.evicted().now_or_never().is_some()
}

/// If a new connection could replace another new connection, two simultaneous health checks would
/// close each other's connections before the agent read either request.
#[tokio::test(start_paused = true)]
async fn a_new_connection_does_not_replace_another_new_one() {
    let (connections, admitted) = full(2).await;
    let _busy = admitted[0].begin_request();
    let mut health = Vec::new();
    for _ in 0..HEALTH_RESERVE {
        let one = connections.admit().await;
        assert!(one.health_only);
        health.push(one);
    }
    assert!(!admitted.iter().chain(&health).any(is_evicted));
    // If all slots for health checks are in use, the agent closes the oldest connection that has
    // had no request.
    {
        let next = connections.admit();
        tokio::pin!(next);
        for _ in 0..3 {
            assert!(next.as_mut().now_or_never().is_none());
            connections.0.freed.notify_waiters();
        }
    }
    assert!(is_evicted(&admitted[1]));
    assert!(!health.iter().any(is_evicted));
    drop(admitted);
    assert!(!connections.admit().await.health_only);
}

/// A connection may still receive a request after the agent has told it to end. The connection then
/// ends only after the response to this late request.
#[tokio::test(start_paused = true)]
async fn a_late_request_on_an_ending_connection_keeps_no_other_one_waiting() {
    let (connections, mut admitted) = full(1).await;
    for _ in 0..HEALTH_RESERVE {
        tokio::time::advance(Duration::from_millis(1)).await;
        admitted.push(connections.admit().await);
    }
    let next = connections.admit();
    tokio::pin!(next);
    assert!(next.as_mut().now_or_never().is_none());
    assert!(is_evicted(&admitted[0]));
    let _late = admitted[0].begin_request();
    assert!(next.as_mut().now_or_never().is_none());
    assert!(is_evicted(&admitted[1]));
    admitted.remove(1);
    assert!(next.now_or_never().is_some());
}

/// Clients that read their responses slowly must not keep health checks waiting until the time limit
/// of a response.
#[tokio::test(start_paused = true)]
async fn the_slowest_reader_makes_room_if_no_connection_is_idle() {
    let (connections, mut admitted) = full(1).await;
    for _ in 0..HEALTH_RESERVE {
        admitted.push(connections.admit().await);
    }
    let requests: Vec<UnderWay> = admitted.iter().map(Admitted::begin_request).collect();
    let begun = Instant::now();
    for request in requests[1..].iter().rev() {
        request.begin_response();
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    tokio::select! {
        biased;
        () = admitted[HEALTH_RESERVE].evicted() => {}
        other = connections.admit() => panic!("admitted {other:?} although no connection ended"),
        () = tokio::time::sleep(2 * SENDING_GRACE) => panic!("no connection made room"),
    }
    assert!((SENDING_GRACE..SENDING_GRACE + 2 * RETRY).contains(&begun.elapsed()));
    let aborted: Vec<bool> = admitted.iter().map(Admitted::is_aborted).collect();
    assert!(aborted[HEALTH_RESERVE]);
    assert_eq!(aborted.iter().filter(|aborted| **aborted).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_end_admits_the_next() {
    let (connections, mut admitted) = full(1 + HEALTH_RESERVE).await;
    // The agent has told all connections to end, but none of them has ended yet.
    for _ in 0..=HEALTH_RESERVE {
        connections.shed();
    }
    let mut more: Vec<Admitted> = Vec::new();
    while let Some(one) = connections.admit().now_or_never() {
        std::mem::forget(one.begin_request());
        more.push(one);
    }
    let next = connections.admit();
    tokio::pin!(next);
    assert!(next.as_mut().now_or_never().is_none());
    admitted.pop();
    assert!(next.now_or_never().is_some());
}
