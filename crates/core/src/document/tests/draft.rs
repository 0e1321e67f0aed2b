//! Tests the checks of a draft that are made before the draft is sent to the cluster. The tests
//! also check that the decoder accepts the stored form of each draft that passes the checks.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{HOUR, at, generators, limits};
use crate::document::{DecodeLimits, Document, Draft, Expiry, RejectionReason as Reason, encode};
use crate::{DiagLevel, DiagnosticsDirective};

fn draft() -> Draft {
    Draft::new("d", DiagLevel::Shape, Expiry::After(HOUR))
}

#[track_caller]
fn assert_refused(draft: &Draft, field: &str, value: &str, reason: Reason) {
    let found = draft.check(&limits()).unwrap_err();
    assert_eq!(
        (found.field(), found.value(), found.reason()),
        (field, value, reason)
    );
    assert!(
        found.to_string().starts_with(&format!("{field}: ")),
        "{found}"
    );
}

#[test]
fn only_ids_that_an_index_accepts_are_accepted() {
    for id in [
        "a",
        " ",
        "_a",
        "a/b",
        "...",
        "a/../b",
        "ü",
        &"x".repeat(512),
        &"é".repeat(256),
    ] {
        let draft = Draft {
            id: id.into(),
            ..draft()
        };
        assert_eq!(draft.check(&limits()), Ok(()), "{id:?}");
    }
    for (id, printed) in [
        ("", r#""""#),
        ("a\nb", r#""a\nb""#),
        ("\0", r#""\0""#),
        ("a\tb", r#""a\tb""#),
        (".", r#"".""#),
        ("..", r#""..""#),
        ("\u{85}", r#""\u{85}""#),
    ] {
        assert_refused(
            &Draft {
                id: id.into(),
                ..draft()
            },
            "id",
            printed,
            Reason::NotAnId,
        );
    }
    for id in ["x".repeat(513), "é".repeat(257)] {
        let found = Draft { id, ..draft() }.check(&limits()).unwrap_err();
        assert_eq!((found.field(), found.reason()), ("id", Reason::NotAnId));
        assert_eq!(found.value().chars().count(), 61);
    }
}

#[test]
fn an_empty_target_is_refused() {
    let set: [(&str, fn(&mut Draft) -> &mut Option<String>); 3] = [
        ("tenant", |draft| &mut draft.match_.tenant),
        ("index", |draft| &mut draft.match_.index),
        ("principal", |draft| &mut draft.match_.principal),
    ];
    for (name, target) in set {
        let mut draft = draft();
        *target(&mut draft) = Some(" ".into());
        assert_eq!(draft.check(&limits()), Ok(()), "{name}");
        *target(&mut draft) = Some(String::new());
        assert_refused(&draft, name, "\"\"", Reason::NotATarget);
    }
}

#[test]
fn a_rate_above_a_thousand_is_refused() {
    assert_eq!(
        Draft {
            sample_per_mille: 1000,
            ..draft()
        }
        .check(&limits()),
        Ok(())
    );
    let draft = Draft {
        sample_per_mille: 1001,
        ..draft()
    };
    assert_refused(&draft, "sample_per_mille", "1001", Reason::NotASampleRate);
}

#[test]
fn a_time_to_live_is_a_whole_number_of_seconds_within_the_limit() {
    let draft = |ttl| Draft {
        expiry: Expiry::After(ttl),
        ..draft()
    };
    for secs in [1, 3599, 3600] {
        assert_eq!(
            draft(Duration::from_secs(secs)).check(&limits()),
            Ok(()),
            "{secs}"
        );
    }
    for (ttl, printed) in [
        (Duration::ZERO, "0ns"),
        (Duration::from_nanos(1), "1ns"),
        (Duration::from_millis(1500), "1.5s"),
    ] {
        assert_refused(&draft(ttl), "ttl_secs", printed, Reason::NotATtl);
    }
    // A time to live of 3601 seconds exceeds the limit of one hour by a second. A time to live of
    // `1 << 40` or `i64::MAX` seconds exceeds the range of a timestamp. A time to live of
    // `u64::MAX` seconds exceeds the range of a signed duration.
    for secs in [3601, 1 << 40, i64::MAX.unsigned_abs(), u64::MAX] {
        let draft = draft(Duration::from_secs(secs));
        assert_refused(&draft, "ttl_secs", &secs.to_string(), Reason::BeyondMaxTtl);
        let all = DecodeLimits {
            max_ttl: Duration::MAX,
            ..limits()
        };
        assert_eq!(draft.check(&all).is_ok(), secs == 3601, "{secs}");
    }
}

#[test]
fn an_expiry_is_in_the_future_within_the_limit() {
    let draft = |time| Draft {
        expiry: Expiry::At(at(time)),
        ..draft()
    };
    for time in ["2030-01-01T12:00:00.000000001Z", "2030-01-01T13:00:00Z"] {
        assert_eq!(draft(time).check(&limits()), Ok(()), "{time}");
    }
    for (time, reason) in [
        ("2030-01-01T12:00:00Z", Reason::ExpiresInThePast),
        ("1970-01-01T00:00:00Z", Reason::ExpiresInThePast),
        ("2030-01-01T13:00:00.000000001Z", Reason::BeyondMaxTtl),
    ] {
        assert_refused(&draft(time), "expires_at", time, reason);
    }
}

#[test]
fn either_expiry_is_after_the_start() {
    for (expiry, name, value) in [
        (Expiry::After(HOUR), "ttl_secs", "3600"),
        (
            Expiry::At(at("2030-01-01T13:00:00Z")),
            "expires_at",
            "2030-01-01T13:00:00Z",
        ),
    ] {
        let mut draft = Draft { expiry, ..draft() };
        draft.starts_at = Some(at("2030-01-01T12:59:59.999999999Z"));
        assert_eq!(draft.check(&limits()), Ok(()), "{name}");
        draft.starts_at = Some(at("2030-01-01T13:00:00Z"));
        assert_refused(&draft, name, value, Reason::ExpiresBeforeStart);
    }
}

#[test]
fn a_draft_is_read_with_its_expiry() {
    let read = |rest: &str| Draft::from_json(&format!(r#"{{"id":"d","level":"Shape"{rest}}}"#));
    assert_eq!(read(",\"ttl_secs\":3600"), Ok(draft()));
    let expiry = Expiry::SiteDefault;
    assert_eq!(read(""), Ok(Draft { expiry, ..draft() }));
    let expiry = Expiry::At(at("2030-01-01T13:00:00Z"));
    let absolute = ",\"expires_at\":\"2030-01-01T14:00:00+01:00\"";
    assert_eq!(read(absolute), Ok(Draft { expiry, ..draft() }));
    for (rest, field, reason) in [
        (",\"ttl_secs\":0", "ttl_secs", Reason::NotATtl),
        (",\"ttl_secs\":-1", "ttl_secs", Reason::NotATtl),
        (",\"ttl_secs\":60.0", "ttl_secs", Reason::NotATtl),
        (",\"ttl_secs\":\"60\"", "ttl_secs", Reason::NotATtl),
        (
            ",\"ttl_secs\":18446744073709551616",
            "ttl_secs",
            Reason::NotATtl,
        ),
        (
            ",\"ttl_secs\":60,\"expires_at\":\"2030-01-01T13:00:00Z\"",
            "ttl_secs",
            Reason::TwoExpiries,
        ),
        (
            ",\"expires_at\":\"tomorrow\"",
            "expires_at",
            Reason::NotATime,
        ),
    ] {
        let found = read(rest).unwrap_err();
        assert_eq!(
            (found.id(), found.field(), found.reason()),
            ("d", field, reason),
            "{rest}"
        );
    }
    let found = Draft::from_json("[]").unwrap_err();
    assert_eq!(
        (found.id(), found.field(), found.reason()),
        ("", "_source", Reason::NotAnObject)
    );
}

proptest! {
    /// If `Draft::check` accepts a draft, a proxy accepts the document that is stored for the
    /// draft. If `Draft::check` refuses a draft, a proxy rejects the document that would be stored
    /// for the draft. Only for an expiry in the past, `Draft::check` refuses the draft although a
    /// proxy accepts the document.
    #[test]
    fn a_draft_that_passes_is_accepted_by_the_decoder(
        document in generators::document(),
        id in prop_oneof![Just("d".to_owned()), generators::text()],
        rate in prop_oneof![9 => 0..=1000_u16, 1 => any::<u16>()],
        relative in any::<Option<u32>>(),
        now in generators::instant(),
        max_ttl in prop_oneof![Just(Duration::MAX), any::<u32>().prop_map(|secs| Duration::from_secs(secs.into()))],
    ) {
        let limits = DecodeLimits { now, max_ttl };
        let directive = document.directive;
        let mut draft = Draft::new(id, directive.level, Expiry::At(directive.expires_at));
        draft.match_ = directive.match_;
        draft.sample_per_mille = rate;
        draft.starts_at = directive.starts_at;
        draft.author = document.audit.updated_by;
        if let Some(secs) = relative {
            draft.expiry = Expiry::After(Duration::from_secs(secs.into()));
        }
        let checked = draft.check(&limits);
        if let Expiry::After(ttl) = draft.expiry {
            let Ok(expires_at) = now.checked_add(ttl) else {
                prop_assert!(checked.is_err());
                return Ok(());
            };
            draft.expiry = Expiry::At(expires_at);
        }
        let Expiry::At(expires_at) = draft.expiry else {
            unreachable!("it was made absolute");
        };
        let mut directive = DiagnosticsDirective::new(draft.id.clone(), draft.level, expires_at)
            .with_match(draft.match_.clone())
            .with_sample_per_mille(draft.sample_per_mille);
        directive.starts_at = draft.starts_at;
        let decoded = encode(&Document::new(directive), &limits);
        match checked {
            Ok(()) => {
                prop_assert!(decoded.is_ok(), "{decoded:?}");
                prop_assert!(expires_at > now);
            }
            Err(rejection) if decoded.is_ok() => prop_assert!(matches!(
                rejection.reason(),
                Reason::ExpiresInThePast | Reason::NotATtl
            ), "{rejection}"),
            Err(_) => {}
        }
    }

    #[test]
    fn any_json_is_a_draft_or_refused(value in generators::json(), source in generators::text()) {
        let _: Result<_, _> = Draft::from_json(&value.to_string());
        let _: Result<_, _> = Draft::from_json(&source);
    }
}

#[test]
fn the_last_instant_does_not_overflow() {
    let limits = DecodeLimits {
        now: Timestamp::MAX,
        max_ttl: Duration::MAX,
    };
    let found = draft().check(&limits).unwrap_err();
    assert_eq!(found.reason(), Reason::BeyondMaxTtl);
}
