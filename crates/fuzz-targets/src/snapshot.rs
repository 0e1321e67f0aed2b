//! Fuzz targets that decode snapshots from another agent and from a last-good file. If a target
//! encodes and decodes an accepted snapshot again, the result must be the same snapshot.

use std::error::Error;

use jiff::Timestamp;
use opensearch_directives::Snapshot;
use opensearch_directives::error::LastGoodErrorKind;
use opensearch_directives::fuzzing::last_good_file;
use opensearch_directives::internal::Hex;
use sha2::{Digest as _, Sha256};

use crate::check_message;

/// The maximum number of directives in a snapshot, above which the decoder must refuse the
/// snapshot.
const CAP: usize = 4;

/// Decodes the input as a snapshot in JSON, as another agent sends it.
pub(crate) fn run(input: &[u8]) {
    let Ok(json) = std::str::from_utf8(input) else {
        return;
    };
    match Snapshot::from_json(json, CAP, Timestamp::UNIX_EPOCH) {
        Ok(snapshot) => {
            assert!(snapshot.set().len() <= CAP);
            check_encoding(&snapshot);
        }
        Err(error) => check_error(&error),
    }
}

/// Decodes the input as a last-good file. Then decodes the input as a last-good file with a correct
/// checksum.
pub(crate) fn run_last_good_file(body: &[u8]) {
    let error = last_good_file(body, "directives");
    if let Err(error) = error {
        assert_ne!(error.kind(), LastGoodErrorKind::Io);
        check_error(&error);
    }
    let checksum = Hex(&Sha256::digest(body)).to_string();
    let file = [checksum.as_bytes(), b"\n", body].concat();
    match last_good_file(&file, "directives") {
        Ok(snapshot) => {
            assert!(snapshot.read_at().is_some() && snapshot.revision().is_some());
            check_encoding(&snapshot);
        }
        Err(error) => check_error(&error),
    }
    // The decoder must refuse a last-good file in which one bit has changed, because the checksum
    // no longer matches.
    let mut changed = file;
    if let Some(last) = changed.last_mut() {
        *last ^= 1;
    }
    assert!(last_good_file(&changed, "directives").is_err());
}

fn check_encoding(snapshot: &Snapshot) {
    let read_at = snapshot.read_at().expect("it was read");
    let encoded = snapshot
        .to_json()
        .expect("an accepted snapshot can be encoded");
    let again = Snapshot::from_json(encoded.get(), usize::MAX, read_at)
        .expect("the encoded form is accepted");
    assert!(again.is_same_as(snapshot));
}

/// Checks the message of a decoding error, and the total length of the messages of the error and
/// its causes. The function does not check the characters in the message of a cause, which can come
/// from the JSON parser.
fn check_error(error: &dyn Error) {
    check_message(&error.to_string(), 2048);
    let chain = opensearch_directives::error::chain(error);
    assert!(chain.len() < 8192, "{chain:?}");
}
