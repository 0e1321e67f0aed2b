//! `GET /v1/osproxy`: converts the active directives to the format of osproxy.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use opensearch_directives::{DirectiveRef, DirectiveSet, EndpointKind};
use serde::Serialize;
use utoipa::ToSchema;

use super::expensive_responses::{hold_until_sent, run_sized};
use super::openapi::{Busy, Internal};
use super::problem::Problem;
use super::state::Agent;

/// The format of osproxy 1.0.5, whose decoder refuses unknown fields.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OsproxyBlob<'a> {
    directives: Vec<ActiveDirective<'a>>,
}

/// An active directive in osproxy's format, with the time until its expiry.
#[derive(Debug, Serialize, ToSchema)]
struct ActiveDirective<'a> {
    id: &'a str,
    #[schema(value_type = super::library_schemas::Level)]
    level: &'a str,
    /// The number of seconds from this response to the expiry, rounded down.
    #[schema(minimum = 1)]
    ttl_secs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    index: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<super::library_schemas::EndpointKind>)]
    endpoint: Option<&'a str>,
    #[schema(maximum = 1000)]
    sample_per_mille: u16,
    ring_buffer: bool,
    capture: bool,
}

impl<'a> ActiveDirective<'a> {
    /// Converts a directive to osproxy's format. Returns `None` if the directive is not active, or
    /// if it expires in less than one second. The time to the expiry is rounded down to seconds, so
    /// that the directive never ends later in osproxy than its author requested.
    fn new(directive: DirectiveRef<'a>, now: Timestamp) -> Option<Self> {
        if !directive.is_active(now) {
            return None;
        }
        let left = directive.expires_at.duration_since(now);
        let ttl_secs = u64::try_from(left.as_secs())
            .ok()
            .filter(|left| *left > 0)?;
        Some(Self {
            id: directive.id,
            level: directive.level.as_str(),
            ttl_secs,
            tenant: directive.tenant,
            index: directive.index,
            principal: directive.principal,
            endpoint: directive.endpoint.map(EndpointKind::as_str),
            sample_per_mille: directive.sample_per_mille,
            ring_buffer: directive.ring_buffer,
            capture: directive.capture,
        })
    }
}

fn encode(set: &DirectiveSet, now: Timestamp) -> serde_json::Result<Vec<u8>> {
    let directives = set
        .iter()
        .filter_map(|directive| ActiveDirective::new(directive, now))
        .collect();
    serde_json::to_vec(&OsproxyBlob { directives })
}

/// The active directives in the format of osproxy
///
/// The response can be sent to `POST /admin/directives` of osproxy, or stored under osproxy's etcd
/// key. Caches must not store the response, because it contains the time from the response to the
/// expiry of each directive.
#[utoipa::path(get, path = "/v1/osproxy", operation_id = "osproxy",
    responses(
        (status = 200, description = "Active directives only; those with less than a second left are omitted",
            body = OsproxyBlob<'_>),
        Internal, Busy))]
pub(super) async fn get(State(agent): State<Agent>) -> Result<Response, Problem> {
    let permit = agent.large_responses.permit().await?;
    let snapshot = agent.store.snapshot();
    let clock = agent.clock;
    let blob = run_sized(snapshot.set().len(), move || {
        encode(snapshot.set(), clock.now())
    });
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((json, hold_until_sent(permit, blob.await??)).into_response())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use jiff::SignedDuration;
    use opensearch_directives::{DiagLevel, DiagnosticsDirective, DirectiveMatch};
    use osproxy_core::{Clock as _, ManualClock};

    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2030-01-01T12:{text}Z").parse().unwrap()
    }

    fn directive(id: &str, expires_at: &str) -> DiagnosticsDirective {
        DiagnosticsDirective::new(id, DiagLevel::ShapeTiming, at(expires_at))
    }

    #[test]
    fn only_active_directives_are_listed_with_the_time_left() {
        let set = DirectiveSet::from_directives(vec![
            directive("whole", "10:00")
                .with_match(
                    DirectiveMatch::all()
                        .for_tenant("t\"")
                        .for_index("i")
                        .for_principal("p")
                        .for_endpoint(EndpointKind::Count),
                )
                .with_sample_per_mille(250)
                .with_ring_buffer(true)
                .with_capture(true),
            directive("fraction", "00:01.999999999"),
            directive("almost", "00:00.999999999"),
            directive("over", "00:00"),
            directive("to-come", "10:00").with_starts_at(at("00:00.000000001")),
            directive("begun", "10:00").with_starts_at(at("00:00")),
        ]);
        let blob = encode(&set, at("00:00")).unwrap();
        let listed: serde_json::Value = serde_json::from_slice(&blob).unwrap();
        let ttl = |directive: &serde_json::Value| {
            let id = directive["id"].as_str().unwrap().to_owned();
            (id, directive["ttl_secs"].as_u64().unwrap())
        };
        let ttls: Vec<_> = listed["directives"]
            .as_array()
            .unwrap()
            .iter()
            .map(ttl)
            .collect();
        assert_eq!(
            ttls,
            [("whole", 600), ("fraction", 1), ("begun", 600)].map(|(id, ttl)| (id.to_owned(), ttl))
        );
        assert_eq!(
            listed["directives"][0],
            serde_json::json!({"id": "whole", "level": "ShapeTiming", "ttl_secs": 600,
                "tenant": "t\"", "index": "i", "principal": "p", "endpoint": "Count",
                "sample_per_mille": 250, "ring_buffer": true, "capture": true})
        );
    }

    #[test]
    fn osproxy_accepts_every_directive_and_ends_none_later() {
        let now = at("00:00.5");
        let set: DirectiveSet = EndpointKind::ALL
            .iter()
            .zip(1..)
            .map(|(endpoint, n)| {
                let expires_at = now + SignedDuration::from_millis(n * 1300);
                DiagnosticsDirective::new(endpoint.as_str(), DiagLevel::Shape, expires_at)
                    .with_match(DirectiveMatch::all().for_endpoint(*endpoint))
            })
            .collect();
        let blob = encode(&set, now).unwrap();
        let clock = ManualClock::new();
        let theirs = osproxy_observe::decode_directive_set(&blob, &clock).unwrap();
        assert_eq!(theirs.len(), set.len());
        for millis in (0..17_000).step_by(100) {
            let later = now + SignedDuration::from_millis(millis);
            let instant = clock
                .now()
                .saturating_add(Duration::from_millis(millis.unsigned_abs()));
            let theirs = theirs.introspect(instant);
            let ours = set.introspect(later);
            for (theirs, ours) in std::iter::zip(
                theirs["directives"].as_array().unwrap(),
                ours["directives"].as_array().unwrap(),
            ) {
                assert_eq!(theirs["id"], ours["id"]);
                let over = |one: &serde_json::Value| one["expired"] == true;
                assert!(over(theirs) || !over(ours), "{ours} after {millis} ms");
            }
        }
    }
}
