//! Remembers the contents of revoked signed directives, so that nobody can restore these
//! directives.
//!
//! No signature covers the field `revoked`, so nobody needs a key to revoke a directive. It is safe
//! that nobody needs a key for a revocation, because a revocation can only narrow what proxies
//! record. But somebody who can write to the index could also restore a revoked directive with its
//! valid signatures. Therefore, after a process has seen the revocation of a signed directive, it
//! rejects the restored document until the directive would have expired.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tracing::warn;

/// The maximum number of remembered revocations, which is the default of `max_documents`.
const MAX_CONTENTS: usize = 200_000;

/// The hash of each revoked content with a valid signature, and the time at which its directive
/// expires.
#[derive(Debug, Default)]
pub(super) struct RevokedContents(Mutex<HashMap<[u8; 32], Timestamp>>);

impl RevokedContents {
    pub(super) fn contains(&self, content: &[u8]) -> bool {
        let contents = self.lock();
        // If the index has no revoked directive with a signature, which is the usual case,
        // `contains` computes no hash.
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
        // The map of revoked contents is consistent even if a thread panicked while it held the
        // lock, so the code ignores that the lock is poisoned.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}
