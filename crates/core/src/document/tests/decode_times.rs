//! Tests the times of a document: their format, their order, and the latest permitted expiry.

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};

use super::decode_rejections::assert_refused;
use super::{HOUR, at, decode, limits, plain, stored_json};
use crate::document::{DecodeLimits, DocumentState, RejectionReason as Reason};

#[test]
fn a_time_has_an_offset() {
    for time in [
        "2030-01-01T12:15:00",
        "2030-01-01",
        "1893456000",
        "1893456000000",
        "now",
        "2030-13-01T00:00:00Z",
        "2030-01-01T12:15:00Z ",
    ] {
        for value in [format!("\"{time}\""), "1893456000000".into()] {
            let source = stored_json(&format!("\"expires_at\":{value},"));
            assert_refused(&source, "expires_at", &value, Reason::NotATime);
        }
    }
}

#[test]
fn an_expiry_is_after_the_start() {
    let source = |start: &str| stored_json(&format!("\"starts_at\":\"{start}\","));
    let expiry = "\"2030-01-01T12:15:00Z\"";
    for start in [
        "2030-01-01T12:15:00Z",
        "2030-01-01T13:15:00+01:00",
        "2030-01-01T12:15:00.000000001Z",
    ] {
        assert_refused(
            &source(start),
            "expires_at",
            expiry,
            Reason::ExpiresBeforeStart,
        );
    }
    let mut expected = plain();
    expected.directive.starts_at = Some(at("2030-01-01T12:14:59.999999999Z"));
    assert_eq!(
        decode(&source("2030-01-01T12:14:59.999999999Z")),
        Ok(expected)
    );
}

#[test]
fn an_expiry_is_accepted_up_to_the_exact_limit() {
    let source = |expiry: &str| stored_json(&format!("\"expires_at\":\"{expiry}\","));
    let latest = "2030-01-01T13:00:00Z";
    assert_eq!(
        decode(&source(latest)).unwrap().directive.expires_at,
        at(latest)
    );
    for beyond in ["2030-01-01T13:00:00.000000001Z", "9999-12-30T22:00:00Z"] {
        assert_refused(
            &source(beyond),
            "expires_at",
            &format!("\"{beyond}\""),
            Reason::BeyondMaxTtl,
        );
    }
}

#[test]
fn a_limit_beyond_the_last_timestamp_is_no_limit() {
    let last = Timestamp::MAX;
    let source = stored_json(&format!("\"expires_at\":\"{last}\","));
    for (now, max_ttl, taken) in [
        (limits().now, Duration::MAX, true),
        (Timestamp::MIN, Duration::MAX, true),
        (last, Duration::ZERO, true),
        (last, HOUR, true),
        (last - 1.nanosecond(), Duration::ZERO, false),
        (last - 1.nanosecond(), Duration::from_nanos(1), true),
        (Timestamp::MIN, HOUR, false),
    ] {
        let found = crate::document::decode("d", &source, &DecodeLimits { now, max_ttl });
        assert_eq!(found.is_ok(), taken, "{now} {max_ttl:?}");
    }
}

/// The decoder accepts a document whose expiry is in the past, but the directive no longer applies.
#[test]
fn an_expiry_in_the_past_is_accepted() {
    let source = stored_json(
        "\"starts_at\":\"1960-01-01T00:00:00Z\",\"expires_at\":\"1970-01-01T00:00:00Z\",",
    );
    let document = decode(&source).unwrap();
    assert_eq!(document.state(limits().now), DocumentState::Expired);
    assert!(!document.directive.as_ref().is_active(limits().now));
}
