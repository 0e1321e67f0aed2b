//! `GET /v1/directives`: the published set, once for everybody who asks, and at once
//! for whoever waits for it to change.

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use headers::{HeaderMapExt as _, IfNoneMatch};
use jiff::Timestamp;
use opensearch_directives::{Clock, OpenSearchDirectiveStore, Snapshot};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::admission;
use super::etag::tag;
use super::long_poll::wait_of;
use super::problem::Problem;
use super::router::Agent;

/// The listing that was made last.
#[derive(Clone, Debug)]
pub(super) struct Listings {
    store: Arc<OpenSearchDirectiveStore>,
    clock: Arc<dyn Clock>,
    last: Arc<Mutex<Option<Listing>>>,
}

/// A set as JSON, and when it looks so.
#[derive(Clone, Debug)]
struct Listing {
    /// Weak, so that it keeps no set alive.
    of: Weak<Snapshot>,
    /// The last expiry before: from then on.
    from: Timestamp,
    /// The next expiry: until then.
    until: Option<Timestamp>,
    etag: HeaderValue,
    body: Bytes,
}

impl Listings {
    pub(super) fn new(store: Arc<OpenSearchDirectiveStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            last: Arc::default(),
        }
    }

    /// What is published, as it looks now. Made once for each change, whoever asks.
    async fn now(&self) -> Result<Listing, Problem> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        let (snapshot, now) = (self.store.snapshot(), self.clock.now());
        if let Some(listing) = last.as_ref().filter(|last| last.looks_so(&snapshot, now)) {
            return Ok(listing.clone());
        }
        // With the lock: it is made to its end also when who asked has gone.
        admission::done(snapshot.set().len(), move || {
            last.insert(Listing::new(&snapshot, now)).clone()
        })
        .await
    }

    /// Waits until a listing no longer looks so because a directive expires.
    async fn expiry(&self, listing: &Listing) {
        match listing.until {
            Some(until) => {
                let left = until.duration_since(self.clock.now());
                // In the past it is now.
                tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
            }
            None => std::future::pending().await,
        }
    }
}

impl Listing {
    fn new(snapshot: &Arc<Snapshot>, now: Timestamp) -> Self {
        let expiries = || snapshot.set().iter().map(|directive| directive.expires_at);
        let body = Bytes::from(snapshot.set().introspect(now).to_string());
        // A strong one. Quotes and hexadecimal digits are always fit for a header.
        let etag = HeaderValue::from_str(&format!("\"{}\"", tag(&body)))
            .unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        Self {
            of: Arc::downgrade(snapshot),
            from: expiries()
                .filter(|at| *at <= now)
                .max()
                .unwrap_or(Timestamp::MIN),
            until: expiries().filter(|at| *at > now).min(),
            etag,
            body,
        }
    }

    fn looks_so(&self, snapshot: &Arc<Snapshot>, now: Timestamp) -> bool {
        std::ptr::eq(self.of.as_ptr(), Arc::as_ptr(snapshot))
            && self.from <= now
            && self.until.is_none_or(|until| now < until)
    }

    fn is_new_to(&self, seen: Option<&IfNoneMatch>) -> bool {
        let etag = self.etag.to_str().ok().and_then(|etag| etag.parse().ok());
        match (seen, etag) {
            (Some(seen), Some(etag)) => seen.precondition_passes(&etag),
            _ => true,
        }
    }

    fn respond(self, status: StatusCode) -> Response {
        let headers = [
            (header::ETAG, self.etag),
            // To be kept, and asked for again each time.
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ];
        if status == StatusCode::NOT_MODIFIED {
            return (status, headers).into_response();
        }
        let json = (header::CONTENT_TYPE, "application/json");
        (status, headers, [json], self.body).into_response()
    }
}

/// Answers at once, or with `?wait=` as soon as the answer is not one that the client
/// has (`If-None-Match`).
pub(super) async fn get(
    State(agent): State<Agent>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wait = wait_of(query.as_deref())?;
    let seen: Option<IfNoneMatch> = headers.typed_get();
    // Before the first look, so that nothing is missed between the two.
    let mut subscription = agent.store.subscribe();
    let give_up = wait.map(|wait| Instant::now() + wait);
    let mut place = None;
    loop {
        let listing = agent.listings.now().await?;
        if listing.is_new_to(seen.as_ref()) {
            return Ok(listing.respond(StatusCode::OK));
        }
        let Some(give_up) = give_up.filter(|at| *at > Instant::now()) else {
            return Ok(listing.respond(StatusCode::NOT_MODIFIED));
        };
        if place.is_none() {
            place = Some(agent.waiting.place()?);
        }
        tokio::select! {
            changed = subscription.changed() => if changed.is_err() {
                return Ok(listing.respond(StatusCode::NOT_MODIFIED));
            },
            () = agent.listings.expiry(&listing) => {}
            () = tokio::time::sleep_until(give_up) => {}
            () = agent.waiting.end() => return Ok(listing.respond(StatusCode::NOT_MODIFIED)),
        }
    }
}
