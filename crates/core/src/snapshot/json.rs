//! A snapshot as JSON, for the next agent of a chain.
//!
//! What is read is not believed: each directive is decoded as a document of the index is,
//! and all of them together must have the digest that the snapshot names.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::document::{DecodeLimits, Rejection, decode as decode_document};
use crate::{Digest, DirectiveRef, DirectiveSet, DirectiveSetBuilder, EndpointKind};

use super::{Revision, Snapshot};

/// Why a JSON text is not a snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It is not a snapshot, or one of another version.
    #[error("it is not a snapshot that this version knows")]
    Json(#[from] serde_json::Error),
    /// A directive that is not valid.
    #[error("the directive {}: {}", .0.id, .0)]
    Directive(Box<Rejection>),
    /// A directive came twice.
    #[error("a directive came twice")]
    Repeated,
    /// It is not what its digest says.
    #[error("its digest is {said}, and that of its directives {found}")]
    Digest {
        /// The digest that it names.
        said: String,
        /// The digest of what came.
        found: Digest,
    },
    /// There are more directives than is allowed.
    #[error("it has {directives} directives, above the cap of {cap}; raise `max_documents`")]
    TooManyDirectives {
        /// How many there are.
        directives: usize,
        /// How many may be.
        cap: usize,
    },
}

#[derive(Serialize)]
struct Written<'a> {
    digest: Digest,
    revision: Option<&'a Revision>,
    directives: WrittenSet<'a>,
    rejected: &'a [Rejection],
    revoked: usize,
}

struct WrittenSet<'a>(&'a DirectiveSet);

impl Serialize for WrittenSet<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(WrittenDirective::from))
    }
}

/// The fields of a document, and its id.
#[derive(Serialize)]
struct WrittenDirective<'a> {
    id: &'a str,
    level: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<&'a str>,
    sample_per_mille: u16,
    ring_buffer: bool,
    capture: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<Timestamp>,
    expires_at: Timestamp,
}

impl<'a> From<DirectiveRef<'a>> for WrittenDirective<'a> {
    fn from(directive: DirectiveRef<'a>) -> Self {
        Self {
            id: directive.id,
            level: directive.level.as_str(),
            tenant: directive.tenant,
            index: directive.index,
            principal: directive.principal,
            endpoint: directive.endpoint.map(EndpointKind::as_str),
            sample_per_mille: directive.sample_per_mille,
            ring_buffer: directive.ring_buffer,
            capture: directive.capture,
            starts_at: directive.starts_at,
            expires_at: directive.expires_at,
        }
    }
}

impl Snapshot {
    /// All of it as JSON, times absolute: what an agent gives the next of a chain. The
    /// time of the read is not in it, so that later reads that gave the same are the same.
    ///
    /// # Errors
    /// Never with what a store has published.
    pub fn to_json(&self) -> serde_json::Result<Box<RawValue>> {
        serde_json::value::to_raw_value(&Written {
            digest: self.digest,
            revision: self.revision.as_ref(),
            directives: WrittenSet(&self.set),
            rejected: &self.rejections,
            revoked: self.revoked,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read<'a> {
    digest: Cow<'a, str>,
    revision: Revision,
    #[serde(borrow)]
    directives: Vec<&'a RawValue>,
    rejected: Vec<Rejection>,
    revoked: usize,
}

/// The one field that the decoder of documents does not read.
#[derive(Deserialize)]
struct Identified<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

impl Snapshot {
    /// Reads what [`to_json`](Self::to_json) wrote, of at most `cap` directives, which was
    /// read from the index at `read_at`.
    ///
    /// # Errors
    /// [`SnapshotError`] if it is not a snapshot, holds too much, or is not what its digest
    /// says.
    pub fn from_json(json: &str, cap: usize, read_at: Timestamp) -> Result<Self, SnapshotError> {
        let read: Read<'_> = serde_json::from_str(json)?;
        if read.directives.len() > cap {
            return Err(SnapshotError::TooManyDirectives {
                directives: read.directives.len(),
                cap,
            });
        }
        let limits = DecodeLimits {
            now: read_at,
            // How far ahead an expiry may lie was decided where the index was read.
            max_ttl: Duration::MAX,
        };
        let mut builder = DirectiveSetBuilder::with_capacity(read.directives.len());
        for directive in read.directives {
            let Identified { id } = serde_json::from_str(directive.get())?;
            let document = decode_document(&id, directive.get(), &limits)
                .map_err(|rejection| SnapshotError::Directive(rejection.into()))?;
            builder.push(document.directive());
        }
        let set = builder.build_by_id().map_err(|_| SnapshotError::Repeated)?;
        let digest = set.digest();
        if digest.to_string() != read.digest {
            return Err(SnapshotError::Digest {
                said: read.digest.into_owned(),
                found: digest,
            });
        }
        Ok(Self {
            set,
            digest,
            revision: Some(read.revision),
            rejections: read.rejected,
            revoked: read.revoked,
            read_at: Some(read_at),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{DiagLevel, DiagnosticsDirective, DirectiveMatch};

    fn now() -> Timestamp {
        "2030-01-01T12:00:00Z".parse().unwrap()
    }

    fn snapshot() -> Snapshot {
        let expires_at = "2030-01-01T12:15:00.000000001Z".parse().unwrap();
        let set = DirectiveSet::from_directives(vec![
            DiagnosticsDirective::new("a\"", DiagLevel::ShapeTiming, expires_at)
                .with_match(
                    DirectiveMatch::all()
                        .for_tenant("acme\n")
                        .for_index("i")
                        .for_principal("p")
                        .for_endpoint(EndpointKind::Count),
                )
                .with_sample_per_mille(7)
                .with_starts_at(Timestamp::UNIX_EPOCH)
                .with_ring_buffer(true)
                .with_capture(true),
            DiagnosticsDirective::new("b", DiagLevel::Off, expires_at),
        ]);
        let limits = DecodeLimits {
            now: now(),
            max_ttl: Duration::MAX,
        };
        let rejection = decode_document("bad", r#"{"level":"Shape","tenant":42}"#, &limits);
        Snapshot {
            digest: set.digest(),
            set,
            revision: Some(Revision {
                index: "directives-1".to_owned(),
                uuid: "u".to_owned(),
                documents: 3,
                max_seq_no: Some(9),
                sum_seq_no: u64::MAX,
                updated_at: Some(now()),
            }),
            rejections: vec![rejection.unwrap_err()],
            revoked: 5,
            read_at: Some(now()),
        }
    }

    fn json() -> String {
        snapshot().to_json().unwrap().get().to_owned()
    }

    #[test]
    fn what_was_written_is_read_unchanged() {
        let wrote = snapshot();
        let later = now() + jiff::SignedDuration::from_secs(3);
        let read = Snapshot::from_json(&json(), 2, later).unwrap();
        assert!(read.is_same_as(&wrote));
        assert!(read.set.iter().eq(wrote.set.iter()));
        assert_eq!((read.read_at, read.revoked), (Some(later), 5));
    }

    #[test]
    fn p1_what_is_not_whole_or_not_as_it_was_is_refused() {
        let good = json();
        for (from, to) in [
            ("acme", "acne"),
            ("\"tenant\":\"acme\\n\",", ""),
            ("\"tenant\":\"acme\\n\"", "\"tenant\":null"),
            ("12:15:00.000000001Z", "12:15:01Z"),
            ("\"sample_per_mille\":7", "\"sample_per_mille\":8"),
            ("\"id\":\"b\"", "\"id\":\"a\\\"\""),
            ("\"id\":\"b\",", ""),
            ("\"ring_buffer\":true", "\"ring_buffers\":true"),
            ("\"rejected\":", "\"refused\":"),
            ("{\"digest\"", "{\"more\":1,\"digest\""),
            (",\"revoked\":5}", "}"),
            ("\"revoked\":5}", "\"revoked\":5"),
        ] {
            assert!(good.contains(from), "{from} is not in {good}");
            Snapshot::from_json(&good.replacen(from, to, 1), 2, now()).unwrap_err();
        }
        let dark = Snapshot::default().to_json().unwrap();
        Snapshot::from_json(dark.get(), 2, now()).unwrap_err();
        assert!(matches!(
            Snapshot::from_json(&good, 1, now()),
            Err(SnapshotError::TooManyDirectives {
                directives: 2,
                cap: 1
            })
        ));
    }
}
