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

#[derive(Debug, Default)]
pub(super) struct RevokedContents(Mutex<Contents>);

#[derive(Debug, Default)]
struct Contents {
    /// The hash of each revoked content with a valid signature, and the time at which its directive
    /// expires.
    expiries: HashMap<[u8; 32], Timestamp>,
    /// The earliest time at which a remembered directive expires, if the map was full at the last
    /// search for expired directives. Another search before this time finds none.
    full_until: Option<Timestamp>,
    has_warned: bool,
}

impl Contents {
    /// Forgets the expired directives if the map is full. Returns true if there is room for one more
    /// directive.
    fn make_room(&mut self, now: Timestamp) -> bool {
        if self.expiries.len() < MAX_CONTENTS {
            return true;
        }
        if self.full_until.is_some_and(|until| now < until) {
            return false;
        }
        self.expiries.retain(|_, expires_at| *expires_at > now);
        let has_room = self.expiries.len() < MAX_CONTENTS;
        self.full_until = if has_room {
            None
        } else {
            self.expiries.values().min().copied()
        };
        has_room
    }
}

impl RevokedContents {
    pub(super) fn contains(&self, content: &[u8]) -> bool {
        let contents = self.lock();
        // If the index has no revoked directive with a signature, which is the usual case,
        // `contains` computes no hash.
        !contents.expiries.is_empty() && contents.expiries.contains_key(&hash(content))
    }

    pub(super) fn insert(&self, content: &[u8], expires_at: Timestamp, now: Timestamp) {
        let hash = hash(content);
        let mut contents = self.lock();
        if contents.expiries.contains_key(&hash) || contents.make_room(now) {
            contents.expiries.insert(hash, expires_at);
        } else if !contents.has_warned {
            contents.has_warned = true;
            warn!(
                "this process remembers {MAX_CONTENTS} revoked directives with signatures, and \
                 cannot remember more until some expire: somebody who may write to the index could \
                 restore another revoked directive; use fewer or shorter signed directives"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        // The map of revoked contents is consistent even if a thread panicked while it held the
        // lock, so the code ignores that the lock is poisoned.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::{self, Write};
    use std::sync::Arc;

    use jiff::SignedDuration;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_warning_that_no_more_revocations_are_remembered_is_logged_once() {
        let (log, now) = (Log::default(), Timestamp::UNIX_EPOCH);
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let _guard = tracing::subscriber::set_default(subscriber.finish());
        let (hour, day) = (
            now + SignedDuration::from_hours(1),
            now + SignedDuration::from_hours(24),
        );
        let contents = RevokedContents::default();
        contents.insert(b"hour", hour, now);
        for n in 1..MAX_CONTENTS {
            contents.insert(&n.to_le_bytes(), day, now);
        }
        for content in ["a", "b", "c"] {
            contents.insert(content.as_bytes(), day, now);
            assert!(!contents.contains(content.as_bytes()));
        }
        assert!(contents.contains(b"hour"));
        // At its expiry, a remembered directive makes room for one other.
        contents.insert(b"a", day, hour);
        contents.insert(b"b", day, hour);
        assert!(contents.contains(b"a"));
        assert!(!contents.contains(b"hour") && !contents.contains(b"b"));
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches("WARN").count(), 1, "{text}");
    }
}
