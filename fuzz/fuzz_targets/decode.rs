//! No bytes make the decoder panic, and what it takes it writes and takes again.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use opensearch_directives::{DecodeLimits, decode, encode};

fuzz_target!(|source: &str| {
    let limits = DecodeLimits {
        now: jiff::Timestamp::UNIX_EPOCH,
        max_ttl: Duration::MAX,
    };
    if let Ok(decoded) = decode("id", source, &limits) {
        let document = decoded.to_document();
        let json = encode(&document, &limits).expect("what was taken can be written");
        let again = decode("id", json.get(), &limits).expect("what was written is taken");
        assert_eq!(again.to_document(), document);
    }
});
