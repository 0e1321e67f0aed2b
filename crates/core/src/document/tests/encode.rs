//! What is encoded is decoded to the same; what is not valid is not encoded.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{HOUR, any, at, limits, plain};
use crate::document::{
    Audit, DecodeLimits, Document, Draft, Expiry, RejectionReason as Reason, decode, encode,
    encode_draft,
};
use crate::{DiagLevel, EndpointKind};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn decode_gives_back_what_was_encoded(document in any::document(), now in any::instant()) {
        let limits = DecodeLimits { now, max_ttl: Duration::MAX };
        let json = encode(&document, &limits).unwrap();
        let found = decode(&document.directive.id, json.get(), &limits).unwrap();
        prop_assert_eq!(found.directive(), document.directive.as_ref());
        prop_assert_eq!(found.is_revoked(), document.audit.revoked_at.is_some());
        prop_assert_eq!(found.to_document(), document);
    }

    /// Whatever the document and the limits, what `encode` writes decodes, and what it
    /// refuses is refused for something that is there.
    #[test]
    fn encode_writes_what_decodes_and_nothing_else(
        mut document in any::document(),
        empty in 0..8_usize,
        rate in prop_oneof![3 => 0..=1000_u16, 1 => any::<u16>()],
        now in any::instant(),
        max_ttl in prop_oneof![Just(Duration::MAX), any::<u64>().prop_map(Duration::from_nanos)],
        turned in any::<bool>(),
    ) {
        let limits = DecodeLimits { now, max_ttl };
        let directive = &mut document.directive;
        match empty {
            0 => directive.match_.tenant = Some(String::new()),
            1 => directive.match_.index = Some(String::new()),
            2 => directive.match_.principal = Some(String::new()),
            _ => {}
        }
        directive.sample_per_mille = rate;
        if turned && let Some(start) = directive.starts_at {
            directive.starts_at = Some(directive.expires_at);
            directive.expires_at = start;
        }
        let ahead = directive.expires_at.duration_since(now);
        let beyond = jiff::SignedDuration::try_from(max_ttl).is_ok_and(|max_ttl| ahead > max_ttl);
        let expected = match () {
            () if empty == 0 => Some(("tenant", Reason::NotATarget)),
            () if empty == 1 => Some(("index", Reason::NotATarget)),
            () if empty == 2 => Some(("principal", Reason::NotATarget)),
            () if rate > 1000 => Some(("sample_per_mille", Reason::NotASampleRate)),
            () if turned && directive.starts_at.is_some() => {
                Some(("expires_at", Reason::ExpiresBeforeStart))
            }
            () if beyond => Some(("expires_at", Reason::BeyondMaxTtl)),
            () => None,
        };
        match (encode(&document, &limits), expected) {
            (Ok(json), None) => {
                let found = decode(&document.directive.id, json.get(), &limits).unwrap();
                prop_assert_eq!(found.to_document(), document);
            }
            (Err(rejection), Some((field, reason))) => {
                prop_assert_eq!((&*rejection.field, rejection.reason), (field, reason));
            }
            (found, expected) => prop_assert!(false, "{found:?}, not {expected:?}"),
        }
    }
}

/// Changes a valid document; gives the field and the reason for which it is refused.
type Change = (fn(&mut Document), &'static str, Reason, &'static str);

#[test]
fn what_is_not_valid_is_refused_as_decode_refuses_it() {
    let changes: [Change; 7] = [
        (
            |it| it.directive.match_.tenant = Some(String::new()),
            "tenant",
            Reason::NotATarget,
            "\"tenant\":\"\",",
        ),
        (
            |it| it.directive.match_.index = Some(String::new()),
            "index",
            Reason::NotATarget,
            "\"index\":\"\",",
        ),
        (
            |it| it.directive.match_.principal = Some(String::new()),
            "principal",
            Reason::NotATarget,
            "\"principal\":\"\",",
        ),
        (
            |it| it.directive.sample_per_mille = 1001,
            "sample_per_mille",
            Reason::NotASampleRate,
            "\"sample_per_mille\":1001,",
        ),
        (
            |it| it.directive.sample_per_mille = u16::MAX,
            "sample_per_mille",
            Reason::NotASampleRate,
            "\"sample_per_mille\":65535,",
        ),
        (
            |it| it.directive.starts_at = Some(it.directive.expires_at),
            "expires_at",
            Reason::ExpiresBeforeStart,
            "\"starts_at\":\"2030-01-01T12:15:00Z\",",
        ),
        (
            |it| it.directive.starts_at = Some(Timestamp::MAX),
            "expires_at",
            Reason::ExpiresBeforeStart,
            "\"starts_at\":\"9999-12-30T22:00:00.999999999Z\",",
        ),
    ];
    for (change, field, reason, fields) in changes {
        let mut document = plain();
        change(&mut document);
        let found = encode(&document, &limits()).unwrap_err();
        assert_eq!((&*found.field, found.reason), (field, reason));
        assert_eq!(super::decode(&super::plain_json(fields)), Err(found));
    }
    let near = DecodeLimits {
        max_ttl: Duration::from_secs(899),
        ..limits()
    };
    let found = encode(&plain(), &near).unwrap_err();
    assert_eq!(found.reason, Reason::BeyondMaxTtl);
    assert_eq!(
        decode("d", &super::plain_json(""), &near).err(),
        Some(found)
    );
}

/// The bytes that are kept, so that a change of them is seen.
#[test]
fn a_document_is_written_so() {
    let mut document = plain();
    document.directive.starts_at = Some(at("2030-01-01T12:00:00.5Z"));
    document.directive.match_.tenant = Some("a\"b\n".into());
    document.directive.match_.endpoint = Some(EndpointKind::Search);
    document.audit.reason = Some("ü".into());
    document.audit.revoked_at = Some(at("2030-01-01T12:00:01Z"));
    assert_eq!(
        encode(&document, &limits()).unwrap().get(),
        concat!(
            r#"{"level":"Shape","tenant":"a\"b\n","endpoint":"Search","sample_per_mille":1000,"#,
            r#""ring_buffer":false,"capture":false,"starts_at":"2030-01-01T12:00:00.5Z","#,
            r#""expires_at":"2030-01-01T12:15:00Z","reason":"ü","#,
            r#""revoked_at":"2030-01-01T12:00:01Z"}"#
        )
    );
}

#[test]
fn a_draft_is_written_with_its_own_kind_of_expiry() {
    let mut draft = Draft::new("d", DiagLevel::Shape, Expiry::After(HOUR));
    draft.author = Some("ann".into());
    assert_eq!(
        encode_draft(&draft, &Audit::default()).get(),
        concat!(
            r#"{"level":"Shape","sample_per_mille":1000,"ring_buffer":false,"capture":false,"#,
            r#""ttl_secs":3600,"created_by":"ann","updated_by":"ann"}"#
        )
    );
    draft.expiry = Expiry::At(at("2030-01-01T12:15:00Z"));
    let created = Audit {
        created_at: Some(at("2029-01-01T00:00:00Z")),
        created_by: Some("bob".into()),
        revoked_at: Some(at("2029-01-01T00:00:00Z")),
        ..Audit::default()
    };
    let json = encode_draft(&draft, &created);
    let found = decode("d", json.get(), &limits()).unwrap().to_document();
    assert_eq!(found.directive, plain().directive);
    let expected = Audit {
        created_at: created.created_at,
        created_by: Some("bob".into()),
        updated_by: Some("ann".into()),
        ..Audit::default()
    };
    assert_eq!(found.audit, expected, "a new draft is not revoked");
    let unknown = Audit {
        created_by: None,
        ..created
    };
    let json = encode_draft(&draft, &unknown);
    let found = decode("d", json.get(), &limits()).unwrap().to_document();
    assert_eq!(
        found.audit.created_by, None,
        "nobody else becomes its creator"
    );
}
