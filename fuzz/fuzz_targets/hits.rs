//! Any bytes as the answer of a search: no panic, and never more documents than came.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    opensearch_directives::fuzzing::search_answer(body);
});
