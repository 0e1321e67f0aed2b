//! No bytes make the import panic, and what it takes has an id and can be checked.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use opensearch_directives::{DecodeLimits, parse_drafts};

fuzz_target!(|input: &[u8]| {
    let limits = DecodeLimits {
        now: jiff::Timestamp::UNIX_EPOCH,
        max_ttl: Duration::from_secs(3600),
    };
    match parse_drafts(input) {
        Ok(drafts) => {
            for draft in drafts {
                let _ = draft.check(&limits);
            }
        }
        Err(error) => assert!(error.to_string().len() < 20_000),
    }
});
