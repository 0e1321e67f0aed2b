//! Parses arbitrary bytes as an import file. The parser must not panic, an error must be short, and
//! every draft must have a unique id and survive encoding.

#![no_main]

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use opensearch_directives::document::{Audit, DecodeLimits, Draft, encode_draft, parse_drafts};

fuzz_target!(|input: &[u8]| {
    let limits = DecodeLimits {
        now: Timestamp::UNIX_EPOCH,
        max_ttl: Duration::MAX,
    };
    let drafts = match parse_drafts(input) {
        Ok(drafts) => drafts,
        Err(error) => {
            let text = error.to_string();
            assert!(!text.replace('\n', "").contains(char::is_control), "{text:?}");
            assert!(text.lines().count() < 30 && text.len() < 64 << 10);
            return;
        }
    };
    assert!(!drafts.is_empty());
    let mut ids = HashSet::new();
    for draft in &drafts {
        assert!(ids.insert(&draft.id), "an id is repeated");
        // The JSON that is sent to the pipeline must be parsed as an equal draft.
        if draft.check(&limits).is_ok() {
            let json = encode_draft(draft, &Audit::default());
            let mut fields: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(json.get()).expect("a draft is an object");
            fields.remove("created_by");
            fields.insert("id".to_owned(), draft.id.clone().into());
            let again = Draft::from_json(&serde_json::Value::from(fields).to_string());
            assert_eq!(again.as_ref(), Ok(draft));
        }
    }
});
