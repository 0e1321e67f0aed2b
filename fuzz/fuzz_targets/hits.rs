//! Decodes arbitrary bytes as the response of a search. The decoder must not panic, and must not
//! accept a response that does not state its completeness.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    opensearch_directives::fuzzing::search_response(body);
});
