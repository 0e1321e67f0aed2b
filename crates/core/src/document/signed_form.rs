//! Defines the bytes that a signature covers: the id, the targets, the effects, the start and the
//! expiry of the directive, the name of the signer, and the uuid of the index.
//!
//! `docs/SIGNATURES.md` describes the signed bytes one by one, with a test vector.

use jiff::Timestamp;

use crate::{DirectiveRef, EndpointKind};

/// A tag at the start of every signed message. The tag distinguishes a signed directive from other
/// messages that the same key may sign. The number in the tag is the version of the signed form.
const TAG: &[u8] = b"opensearch-directives signature 1\0";

/// The form in which a directive of one index is signed.
///
/// The signed form contains neither the fields that the ingest pipeline writes nor the fields that
/// only people read. If a field outside the signed form changes, the signature stays valid. No
/// proxy uses an unsigned field to decide what a signed directive does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignedForm<'a> {
    directive: DirectiveRef<'a>,
    index_uuid: &'a str,
}

impl<'a> SignedForm<'a> {
    /// Creates the signed form of a directive in the index with the given uuid. If the start is not
    /// after the beginning of 1970, the directive starts immediately, as in every stored document.
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

    /// Returns the part of the message that is the same for every signer, and that identifies the
    /// signed content.
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

/// Returns the start of a signed directive; `None` if it starts immediately. The start depends only
/// on `starts_at`, because no signature covers `created_at`.
pub(super) fn signed_start(starts_at: Option<Timestamp>) -> Option<Timestamp> {
    starts_at.filter(|&starts_at| starts_at > Timestamp::UNIX_EPOCH)
}

/// Writes the length of a string and then the string, so that two different lists of strings never
/// lead to the same bytes.
fn put_text(out: &mut Vec<u8>, text: &str) {
    // No string in a document is longer than `u32::MAX` bytes, because the size limit of a response
    // is far lower.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Writes a time as the number of nanoseconds since 1970, in a signed 128-bit number.
fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    out.extend_from_slice(&time.as_nanosecond().to_be_bytes());
}
