//! Tests that no JSON makes a directive apply to more requests than intended, and that the decoder
//! never panics.

use std::time::Duration;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::{generators, limits};
use crate::document::decode_field::NAMES;
use crate::document::hidden_targets_check::TARGET_FIELDS;
use crate::document::{DecodeLimits, Rejection};

/// Returns true if a JSON value has the type that the named field must have.
fn is_of_the_type(name: &str, value: &Value) -> bool {
    match name {
        "level" | "endpoint" => value.is_string(),
        "tenant" | "index" | "principal" => value.as_str().is_some_and(|text| !text.is_empty()),
        "sample_per_mille" => value.as_u64().is_some_and(|rate| rate <= 1000),
        "ring_buffer" | "capture" | "revoked" => value.is_boolean(),
        "targets" => value.is_array(),
        "starts_at" | "expires_at" | "revoked_at" => value
            .as_str()
            .is_some_and(|text| text.parse::<Timestamp>().is_ok()),
        "id" => value == "d",
        "ttl_secs" | "author" => false,
        _ => value.is_null() || value.is_string(),
    }
}

proptest! {
    /// Whatever value a field has, the decoded directive has exactly this value, or the decoder
    /// rejects the document.
    #[test]
    fn a_wrong_value_never_widens(
        document in generators::document(),
        name in select(&NAMES[..]),
        value in generators::json(),
    ) {
        let all = DecodeLimits { now: limits().now, max_ttl: Duration::MAX };
        let id = "d";
        let json = crate::document::encode(&document, &all).unwrap();
        let mut fields: serde_json::Map<String, Value> = serde_json::from_str(json.get()).unwrap();
        fields.insert(name.into(), value.clone());
        // The list `targets` must name each target field of the document, because the decoder
        // otherwise rejects the document.
        if TARGET_FIELDS.contains(&name) {
            let named: Vec<&str> = TARGET_FIELDS.into_iter().filter(|n| fields.contains_key(*n)).collect();
            fields.insert("targets".into(), named.into());
        }
        let source = Value::Object(fields).to_string();
        match crate::document::decode(id, &source, &all) {
            Ok(found) => {
                prop_assert!(is_of_the_type(name, &value), "{name}: {value} was taken");
                let again = found.to_document();
                let targets = |document: &crate::document::Document| {
                    let target = document.directive.match_.clone();
                    [target.tenant, target.index, target.principal,
                     target.endpoint.map(|kind| kind.as_str().to_owned())]
                };
                let (again, before) = (targets(&again), targets(&document));
                for (n, target) in ["tenant", "index", "principal", "endpoint"].iter().enumerate() {
                    if *target == name {
                        prop_assert_eq!(again[n].as_deref(), value.as_str());
                    } else {
                        prop_assert_eq!(&again[n], &before[n]);
                    }
                }
            }
            Err(rejection) => {
                let other = match name {
                    "starts_at" => "expires_at",
                    "revoked_at" => "revoked",
                    name => name,
                };
                let field = rejection.field();
                let hidden = name == "targets" && TARGET_FIELDS.contains(&field);
                prop_assert!(hidden || field == name || field == other, "{}", rejection);
                let begins = rejection.to_string().starts_with(field);
                prop_assert!(begins, "{}", rejection);
            }
        }
    }

    #[test]
    fn any_text_is_decoded_or_refused(id in generators::text(), source in generators::text()) {
        let _: Result<_, Rejection> = crate::document::decode(&id, &source, &limits());
    }

    #[test]
    fn any_json_is_decoded_or_refused(id in generators::text(), value in generators::json()) {
        let _: Result<_, Rejection> = crate::document::decode(&id, &value.to_string(), &limits());
    }

    /// The decoder never panics on a truncated document or on a document with a changed byte.
    #[test]
    fn a_damaged_document_is_decoded_or_rejected(
        document in generators::document(),
        changes in vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3),
        end in any::<proptest::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let all = DecodeLimits { now: limits().now, max_ttl: Duration::MAX };
        let mut bytes = crate::document::encode(&document, &all).unwrap().get().as_bytes().to_vec();
        for (offset, byte) in changes {
            let offset = offset.index(bytes.len());
            bytes[offset] = byte;
        }
        if cut {
            bytes.truncate(end.index(bytes.len()));
        }
        let source = String::from_utf8_lossy(&bytes);
        let found = crate::document::decode("d", &source, &all);
        prop_assert!(!cut || found.is_err());
    }
}
