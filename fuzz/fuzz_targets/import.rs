//! Any bytes as what an operator hands in: no panic, a short error; every draft has an
//! id of its own, and what can be written is taken by a proxy.

#![no_main]

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use opensearch_directives::document::{Audit, DecodeLimits, Expiry, decode, encode_draft, parse_drafts};

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
        assert!(ids.insert(&draft.id), "an id twice");
        if draft.check(&limits).is_ok() && matches!(draft.expiry, Expiry::At(_)) {
            let json = encode_draft(draft, &Audit::default());
            let read = decode(&draft.id, json.get(), &limits).expect("a proxy takes it");
            let directive = read.to_document().directive;
            assert_eq!(directive.match_, draft.match_);
            assert_eq!(directive.level, draft.level);
        }
    }
});
