//! Decodes one document of a read: what the codec accepts and, if signatures are verified, what
//! the trusted signers accept, too.

use std::sync::Arc;

use jiff::Timestamp;

use crate::rest::Hit;
use crate::signatures::Trust;
use opensearch_directives_core::document::{
    DecodeLimits, DocumentRef, Rejection, decode, is_revoked,
};

/// Everything that decides about the documents of one read, besides the documents.
#[derive(Clone, Debug)]
pub(crate) struct HitDecoder {
    limits: DecodeLimits,
    /// The uuid of the index that is read, which signatures cover.
    index_uuid: String,
    trust: Option<Arc<Trust>>,
}

/// What a document is.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for one match, and most documents are directives"
)]
#[derive(Debug)]
pub(super) enum DecodedHit<'a> {
    Directive(DocumentRef<'a>),
    /// A document that applies to no request, and why it is rejected; `None` if it is revoked.
    Other {
        rejection: Option<Rejection>,
        /// Of a document that was not rejected.
        updated_at: Option<Timestamp>,
    },
}

impl HitDecoder {
    pub(super) fn new(limits: DecodeLimits, index_uuid: &str, trust: Option<Arc<Trust>>) -> Self {
        Self {
            limits,
            index_uuid: index_uuid.to_owned(),
            trust,
        }
    }

    pub(super) fn decode<'a>(&self, hit: &'a Hit<'a>) -> DecodedHit<'a> {
        let source = hit.source.get();
        let rejected = |rejection: Rejection| DecodedHit::Other {
            // A revoked document applies to no request, whatever else is wrong with it.
            rejection: (!is_revoked(source)).then_some(rejection),
            updated_at: None,
        };
        let document = match decode(&hit.id, source, &self.limits) {
            Ok(document) => document,
            Err(rejection) => return rejected(rejection),
        };
        if document.is_revoked() {
            if let Some(trust) = &self.trust {
                trust.note_revoked(&document, &self.index_uuid, self.limits.now);
            }
            return DecodedHit::Other {
                rejection: None,
                updated_at: document.audit().updated_at,
            };
        }
        match Trust::check_with(self.trust.as_deref(), &document, &self.index_uuid) {
            Ok(()) => DecodedHit::Directive(document),
            Err(rejection) => rejected(rejection),
        }
    }
}
