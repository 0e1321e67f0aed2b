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
use crate::domain::{Digest, DirectiveRef, DirectiveSet, DirectiveSetBuilder, EndpointKind};
use crate::snapshot::Snapshot;
use crate::source::UpstreamError;
use crate::status::Revision;

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

/// Reads what [`Snapshot::to_json`] wrote.
pub(super) fn decode(
    json: &str,
    cap: usize,
    read_at: Timestamp,
) -> Result<Snapshot, UpstreamError> {
    let read: Read<'_> = serde_json::from_str(json)?;
    if read.directives.len() > cap {
        return Err(UpstreamError::TooManyDirectives {
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
            .map_err(|rejection| UpstreamError::Directive(rejection.into()))?;
        builder.push(document.directive());
    }
    let set = builder.build_by_id().map_err(|_| UpstreamError::Repeated)?;
    let digest = set.digest();
    if digest.to_string() != read.digest {
        return Err(UpstreamError::Digest {
            said: read.digest.into_owned(),
            found: digest,
        });
    }
    Ok(Snapshot {
        set,
        digest,
        revision: Some(read.revision),
        rejections: read.rejected,
        revoked: read.revoked,
        read_at: Some(read_at),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::domain::{DiagLevel, DiagnosticsDirective, DirectiveMatch};

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
        let read = decode(&json(), 2, later).unwrap();
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
            decode(&good.replacen(from, to, 1), 2, now()).unwrap_err();
        }
        let dark = Snapshot::default().to_json().unwrap();
        decode(dark.get(), 2, now()).unwrap_err();
        assert!(matches!(
            decode(&good, 1, now()),
            Err(UpstreamError::TooManyDirectives {
                directives: 2,
                cap: 1
            })
        ));
    }
}
