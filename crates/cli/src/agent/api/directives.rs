//! `GET /v1/directives`: returns the published set, either at once or after its next change. After
//! each change, the agent encodes the set once and sends the same bytes to all clients.

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use opensearch_directives::{Clock, OpenSearchDirectiveStore, Snapshot};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::etag::{content_tag, names_tag};
use super::expensive_responses::run_sized;
use super::library_schemas;
use super::openapi::{Internal, InvalidField, TooManyWaiting};
use super::problem::Problem;
use super::query::parameters;
use super::state::Agent;
use super::waiting_client_limits::parse_wait;

/// Encodes the published set once after each change, and returns the same bytes to all clients.
#[derive(Clone, Debug)]
pub(super) struct ListingCache {
    store: Arc<OpenSearchDirectiveStore>,
    clock: Arc<dyn Clock>,
    last: Arc<Mutex<Option<Listing>>>,
}

/// The published set, encoded as a response body. The encoded text marks the expired directives, so
/// the cache must encode the set again when the next directive expires.
#[derive(Clone, Debug)]
struct Listing {
    /// The snapshot that contains the encoded set. The reference to the snapshot is weak, so that
    /// the cache does not keep the snapshot in memory after the agent has replaced it.
    snapshot: Weak<Snapshot>,
    valid_from: Timestamp,
    valid_until: Option<Timestamp>,
    tag: Arc<str>,
    body: Bytes,
}

#[derive(Serialize)]
struct ListingBody<'a> {
    tag: &'a str,
    directives: Option<&'a RawValue>,
}

impl ListingCache {
    pub(super) fn new(store: Arc<OpenSearchDirectiveStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            last: Arc::default(),
        }
    }

    async fn current(&self) -> Result<Listing, Problem> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        let (snapshot, now) = (self.store.snapshot(), self.clock.now());
        if let Some(listing) = last.as_ref().filter(|last| last.is_valid(&snapshot, now)) {
            return Ok(listing.clone());
        }
        // The closure owns the cache's lock, so it encodes the whole set even if the client
        // disconnects in the meantime.
        let listing = run_sized(snapshot.set().len(), move || {
            let listing = Listing::encode(&snapshot, now)?;
            Ok::<_, serde_json::Error>(last.insert(listing).clone())
        });
        Ok(listing.await??)
    }

    /// Waits until the next directive of the set expires, because the encoded set is out of date
    /// from then on.
    async fn expiry(&self, listing: &Listing) {
        match listing.valid_until {
            Some(until) => {
                let left = until.duration_since(self.clock.now());
                // If the directive has already expired, the remaining time is negative, so its
                // conversion fails and the sleep takes zero seconds.
                tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
            }
            None => std::future::pending().await,
        }
    }
}

impl Listing {
    fn encode(snapshot: &Arc<Snapshot>, now: Timestamp) -> serde_json::Result<Self> {
        let expiries = || snapshot.set().iter().map(|directive| directive.expires_at);
        let set = snapshot.set().introspect(now);
        let directives = serde_json::value::to_raw_value(&set["directives"])?;
        let tag = content_tag(directives.get().as_bytes());
        let body = serde_json::to_vec(&ListingBody {
            tag: &tag,
            directives: Some(&directives),
        })?;
        Ok(Self {
            snapshot: Arc::downgrade(snapshot),
            valid_from: expiries()
                .filter(|expiry| *expiry <= now)
                .max()
                .unwrap_or(Timestamp::MIN),
            valid_until: expiries().filter(|expiry| *expiry > now).min(),
            tag: tag.into(),
            body: body.into(),
        })
    }

    fn is_valid(&self, snapshot: &Arc<Snapshot>, now: Timestamp) -> bool {
        std::ptr::eq(self.snapshot.as_ptr(), Arc::as_ptr(snapshot))
            && self.valid_from <= now
            && self.valid_until.is_none_or(|until| now < until)
    }

    fn respond(self, form: Form) -> Result<Response, Problem> {
        // The entity tag consists of hexadecimal digits in quotes, so it is always a valid header
        // value.
        let etag = HeaderValue::from_str(&format!("\"{}\"", self.tag))
            .map_err(|_| Problem::internal("the entity tag is not a valid header"))?;
        let headers = [
            (header::ETAG, etag),
            // `no-cache` permits an HTTP cache to store the response, but the cache must revalidate
            // it before each use.
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ];
        let json = [(header::CONTENT_TYPE, "application/json")];
        Ok(match form {
            Form::NotModified => (StatusCode::NOT_MODIFIED, headers).into_response(),
            Form::Whole => (headers, json, self.body).into_response(),
            Form::TagOnly => {
                let body = serde_json::to_vec(&ListingBody {
                    tag: &self.tag,
                    directives: None,
                })?;
                (headers, json, body).into_response()
            }
        })
    }
}

/// The content of the agent's response to `GET /v1/directives`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Whole,
    /// The response contains only the tag of the set, because the query parameter `known` shows
    /// that the client already has this set.
    TagOnly,
    /// The response has status 304 and no body, because the header `If-None-Match` shows that the
    /// client already has the set.
    NotModified,
}

/// The tags of the sets that the client already has, which the request names in its query and in
/// its headers.
struct Seen<'a> {
    known: Option<String>,
    headers: &'a HeaderMap,
}

impl Seen<'_> {
    fn form(&self, listing: &Listing) -> Form {
        if self.known.as_deref() == Some(&*listing.tag) {
            Form::TagOnly
        } else if names_tag(self.headers, &listing.tag) {
            Form::NotModified
        } else {
            Form::Whole
        }
    }
}

/// The published set
///
/// If a request has `wait` and either `known` or `If-None-Match`, the agent waits. The agent then
/// responds as soon as its set differs from the set that the client has. The set changes when the
/// agent publishes a new set, or when a directive expires. If a proxy in front of the agent changes
/// or removes entity tags, the client must use `known`.
#[utoipa::path(get, path = "/v1/directives", operation_id = "directives",
    params(
        ("wait" = Option<String>, Query, description = "The time to wait for a change, at most a minute: 200ms, 30s, 1m",
            pattern = "^([1-9][0-9]{0,3}ms|[1-9]s|[1-5][0-9]s|60s|1m)$", example = "30s"),
        ("known" = Option<String>, Query, description = "The `tag` of the client's set"),
        ("If-None-Match" = Option<String>, Header, description = "The entity tags of the client's sets, or *"),
    ),
    responses(
        (status = 200, description = "The set, or only its tag if `known` equals it", body = library_schemas::Directives,
            headers(("ETag" = String, description = "A strong tag that depends only on the content, so agents with the same set have the same tag"))),
        (status = 304, description = "The set did not change until the wait or the agent ended",
            headers(("ETag" = String, description = "As with 200"))),
        InvalidField, Internal, TooManyWaiting))]
pub(super) async fn get(
    State(agent): State<Agent>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let [wait, known] = parameters(["wait", "known"], query.as_deref())?;
    let wait = wait.as_deref().map(parse_wait).transpose()?;
    let seen = Seen {
        known,
        headers: &headers,
    };
    // The handler subscribes before it loads the set for the first time; otherwise it could miss a
    // publish between the load and the subscription.
    let mut subscription = agent.store.subscribe();
    let deadline = wait.map(|wait| Instant::now() + wait);
    let mut slot = None;
    loop {
        let listing = agent.listings.current().await?;
        let form = seen.form(&listing);
        let deadline = deadline.filter(|deadline| *deadline > Instant::now());
        let (Some(deadline), true) = (deadline, form != Form::Whole) else {
            return listing.respond(form);
        };
        if slot.is_none() {
            slot = Some(agent.wait_slots.take()?);
        }
        tokio::select! {
            changed = subscription.changed() => if changed.is_err() {
                return listing.respond(form);
            },
            () = agent.listings.expiry(&listing) => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = agent.wait_slots.ended() => return listing.respond(form),
        }
    }
}
