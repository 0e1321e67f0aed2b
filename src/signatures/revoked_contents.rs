//! Remembers which signed directives were revoked.
//!
//! A revocation needs no key, since it only narrows, and so no signature covers it. Somebody who
//! may write to the index can therefore write a revoked directive again as it was before, with
//! its valid signatures. A process that has seen the revocation refuses it until its expiry.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tracing::warn;

/// How many revocations are remembered: as many as an index has documents by default.
const MAX_CONTENTS: usize = 200_000;

/// The signed contents that were revoked and have not expired.
#[derive(Debug, Default)]
pub(super) struct RevokedContents(Mutex<HashMap<[u8; 32], Timestamp>>);

impl RevokedContents {
    pub(super) fn contains(&self, content: &[u8]) -> bool {
        let contents = self.lock();
        // Most indices have none, and then nothing is hashed.
        !contents.is_empty() && contents.contains_key(&hash(content))
    }

    pub(super) fn insert(&self, content: &[u8], expires_at: Timestamp, now: Timestamp) {
        let hash = hash(content);
        let mut contents = self.lock();
        if contents.len() >= MAX_CONTENTS && !contents.contains_key(&hash) {
            contents.retain(|_, expires_at| *expires_at > now);
            if contents.len() >= MAX_CONTENTS {
                warn!("too many signed directives are revoked to remember another one");
                return;
            }
        }
        contents.insert(hash, expires_at);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Timestamp>> {
        // Each change is complete before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}
