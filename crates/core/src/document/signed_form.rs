//! Defines the bytes that a signature of a directive covers. The signed bytes contain the
//! directive's id, targets, effects, start and expiry, the name of the signer, and the uuid of the
//! index.
//!
//! `docs/SIGNATURES.md` describes every signed byte, with a test vector.

use jiff::Timestamp;

use crate::{DirectiveRef, EndpointKind};

/// The tag at the start of every signed message. The tag distinguishes a signed directive from
/// other messages that the same key may sign. The number at the end of the tag is the version of
/// the signed form.
const TAG: &[u8] = b"opensearch-directives signature 1\0";

/// The content that a signature covers, for one directive in one index.
///
/// The signed form contains neither the fields that the ingest pipeline writes nor the fields that
/// only people read. A signature stays valid if a field outside the signed form changes. A proxy
/// decides what a signed directive does only by the fields in the signed form and by `revoked`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignedForm<'a> {
    directive: DirectiveRef<'a>,
    index_uuid: &'a str,
}

impl<'a> SignedForm<'a> {
    /// Creates the signed form of a directive in the index with the given uuid. As in every stored
    /// document, a directive applies immediately if its start is not after the beginning of 1970.
    #[must_use]
    pub fn new(directive: DirectiveRef<'a>, index_uuid: &'a str) -> Self {
        let starts_at = signed_start(directive.starts_at);
        Self {
            directive: DirectiveRef {
                starts_at,
                ..directive
            },
            index_uuid,
        }
    }

    /// Returns the message that the given signer signs.
    #[must_use]
    pub fn message(&self, signer: &str) -> Vec<u8> {
        let mut message = Vec::with_capacity(256);
        message.extend_from_slice(TAG);
        put_text(&mut message, signer);
        self.put_content(&mut message);
        message
    }

    /// Returns the part of the signed message that is the same for every signer, and so identifies
    /// the signed content.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(256);
        self.put_content(&mut content);
        content
    }

    fn put_content(&self, out: &mut Vec<u8>) {
        let directive = &self.directive;
        put_text(out, self.index_uuid);
        put_text(out, directive.id);
        put_text(out, directive.level.as_str());
        for target in [
            directive.tenant,
            directive.index,
            directive.principal,
            directive.endpoint.map(EndpointKind::as_str),
        ] {
            match target {
                None => out.push(0),
                Some(target) => {
                    out.push(1);
                    put_text(out, target);
                }
            }
        }
        out.extend_from_slice(&directive.sample_per_mille.to_be_bytes());
        out.push(directive.ring_buffer.into());
        out.push(directive.capture.into());
        match directive.starts_at {
            None => out.push(0),
            Some(starts_at) => {
                out.push(1);
                put_time(out, starts_at);
            }
        }
        put_time(out, directive.expires_at);
    }
}

/// Returns the start of a signed directive, or `None` if the directive applies immediately. The
/// start of a signed directive depends only on `starts_at`, because no signature covers
/// `created_at`.
pub(super) fn signed_start(starts_at: Option<Timestamp>) -> Option<Timestamp> {
    starts_at.filter(|&starts_at| starts_at > Timestamp::UNIX_EPOCH)
}

/// Writes the length of a string before the string, so that two different lists of strings never
/// produce the same bytes.
fn put_text(out: &mut Vec<u8>, text: &str) {
    // The length of a string always fits into a `u32`, because the size limit of a response is far
    // below `u32::MAX` bytes.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Writes a time as the number of nanoseconds since 1970, in a signed 128-bit number.
fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    out.extend_from_slice(&time.as_nanosecond().to_be_bytes());
}
