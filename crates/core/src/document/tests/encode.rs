//! Tests that the decoder returns the same document that was encoded, and that the encoder refuses
//! an invalid document.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{HOUR, at, generators, limits, plain};
use crate::document::{
    Audit, DecodeLimits, Document, Draft, Expiry, RejectionReason as Reason, decode, encode,
    encode_draft,
};
use crate::{DiagLevel, EndpointKind};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn decode_returns_the_encoded_document(document in generators::document(), now in generators::instant()) {
        let limits = DecodeLimits { now, max_ttl: Duration::MAX };
        let json = encode(&document, &limits).unwrap();
        let id = document.directive.id.clone();
        let found = decode(&id, json.get(), &limits).unwrap();
        let document = generators::normal(document, now);
        prop_assert_eq!(found.directive(), document.directive.as_ref());
        prop_assert_eq!(found.is_revoked(), document.revoked);
        prop_assert_eq!(found.to_document(), document.clone());
        // Encoding and decoding the document a second time does not change it.
        let again = encode(&document, &limits).unwrap();
        let again = decode(&document.directive.id, again.get(), &limits).unwrap();
        prop_assert_eq!(again.to_document(), document);
    }

    /// The decoder accepts each document that `encode` writes, whatever the document and the limits
    /// are. If `encode` refuses a document, the test has really generated the document with the
    /// fault that `encode` reports.
    #[test]
    fn encode_writes_only_documents_that_decode(
        mut document in generators::document(),
        empty in 0..8_usize,
        rate in prop_oneof![3 => 0..=1000_u16, 1 => any::<u16>()],
        now in generators::instant(),
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
                prop_assert_eq!(found.to_document(), generators::normal(document, now));
            }
            (Err(rejection), Some((field, reason))) => {
                prop_assert_eq!((rejection.field(), rejection.reason()), (field, reason));
            }
            (found, expected) => prop_assert!(false, "{found:?}, not {expected:?}"),
        }
    }
}

/// A change that makes a valid document invalid, the field and the reason of the rejection, and the
/// JSON of the invalid field.
type Change = (fn(&mut Document), &'static str, Reason, &'static str);

#[rustfmt::skip]
const CHANGES: [Change; 7] = [
    (|it| it.directive.match_.tenant = Some(String::new()), "tenant", Reason::NotATarget,
     "\"tenant\":\"\","),
    (|it| it.directive.match_.index = Some(String::new()), "index", Reason::NotATarget,
     "\"index\":\"\","),
    (|it| it.directive.match_.principal = Some(String::new()), "principal", Reason::NotATarget,
     "\"principal\":\"\","),
    (|it| it.directive.sample_per_mille = 1001, "sample_per_mille", Reason::NotASampleRate,
     "\"sample_per_mille\":1001,"),
    (|it| it.directive.sample_per_mille = u16::MAX, "sample_per_mille", Reason::NotASampleRate,
     "\"sample_per_mille\":65535,"),
    (|it| it.directive.starts_at = Some(it.directive.expires_at), "expires_at",
     Reason::ExpiresBeforeStart, "\"starts_at\":\"2030-01-01T12:15:00Z\","),
    (|it| it.directive.starts_at = Some(Timestamp::MAX), "expires_at",
     Reason::ExpiresBeforeStart, "\"starts_at\":\"9999-12-30T22:00:00.999999999Z\","),
];

#[test]
fn an_invalid_document_is_refused_like_by_decode() {
    for (change, field, reason, fields) in CHANGES {
        let mut document = plain();
        change(&mut document);
        let found = encode(&document, &limits()).unwrap_err();
        assert_eq!((found.field(), found.reason()), (field, reason));
        assert_eq!(super::decode(&super::stored_json(fields)), Err(found));
    }
    let near = DecodeLimits {
        max_ttl: Duration::from_secs(899),
        ..limits()
    };
    let found = encode(&plain(), &near).unwrap_err();
    assert_eq!(found.reason(), Reason::BeyondMaxTtl);
    assert_eq!(
        decode("d", &super::stored_json(""), &near).err(),
        Some(found)
    );
}

/// Compares the encoder's output with the exact bytes of a stored document, so that a change of the
/// format is visible in a review.
#[test]
fn a_stored_document_has_these_bytes() {
    let mut document = plain();
    document.directive.starts_at = Some(at("2030-01-01T12:00:00.5Z"));
    document.directive.match_.tenant = Some("a\"b\n".into());
    document.directive.match_.endpoint = Some(EndpointKind::Search);
    document.audit.reason = Some("ü".into());
    document.revoked = true;
    document.audit.revoked_at = Some(at("2030-01-01T12:00:01Z"));
    assert_eq!(
        encode(&document, &limits()).unwrap().get(),
        concat!(
            r#"{"targets":["tenant","endpoint"],"level":"Shape","tenant":"a\"b\n","#,
            r#""endpoint":"Search","sample_per_mille":1000,"ring_buffer":false,"capture":false,"#,
            r#""starts_at":"2030-01-01T12:00:00.5Z","expires_at":"2030-01-01T12:15:00Z","#,
            r#""revoked":true,"reason":"ü","revoked_at":"2030-01-01T12:00:01Z"}"#
        )
    );
}

#[test]
fn a_draft_is_written_with_its_own_kind_of_expiry() {
    let mut draft = Draft::new("d", DiagLevel::Shape, Expiry::After(HOUR));
    draft.author = Some("ann".into());
    let written = |expiry: &str, authors: &str| {
        format!(
            "{{\"level\":\"Shape\",\"sample_per_mille\":1000,\"ring_buffer\":false,\
             \"capture\":false,{expiry}{authors}}}"
        )
    };
    let by_ann = "\"created_by\":\"ann\",\"updated_by\":\"ann\"";
    for (expiry, json) in [
        (Expiry::After(HOUR), "\"ttl_secs\":3600,"),
        (
            Expiry::At(at("2030-01-01T12:15:00Z")),
            "\"expires_at\":\"2030-01-01T12:15:00Z\",",
        ),
        (Expiry::SiteDefault, ""),
    ] {
        draft.expiry = expiry;
        let found = encode_draft(&draft, &Audit::default());
        assert_eq!(found.get(), written(json, by_ann));
    }
    draft.owner = Some("search-team".into());
    let created = Audit {
        created_at: Some(at("2029-01-01T00:00:00Z")),
        created_by: Some("bob".into()),
        revoked_at: Some(at("2029-01-01T00:00:00Z")),
        ..Audit::default()
    };
    let authors = "\"owner\":\"search-team\",\"created_by\":\"bob\",\"updated_by\":\"ann\",\
                   \"created_at\":\"2029-01-01T00:00:00Z\"";
    let found = encode_draft(&draft, &created);
    assert_eq!(
        found.get(),
        written("", authors),
        "a new draft is not revoked"
    );
    let unknown = Audit {
        created_by: None,
        ..created
    };
    let found = encode_draft(&draft, &unknown);
    assert!(
        !found.get().contains("created_by"),
        "nobody else becomes its creator"
    );
}
