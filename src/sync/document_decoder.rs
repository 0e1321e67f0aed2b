//! Decodes one document of a read, and verifies its signatures if signature verification is
//! enabled.

use std::sync::Arc;

use jiff::Timestamp;

use crate::rest::Hit;
use crate::signatures::Trust;
use opensearch_directives_core::document::{
    DecodeLimits, DocumentRef, Rejection, decode, is_revoked,
};

/// The settings that decide whether the documents of one read are accepted.
#[derive(Clone, Debug)]
pub(crate) struct DocumentDecoder {
    limits: DecodeLimits,
    /// The uuid of the index, which the signatures of a document cover.
    index_uuid: String,
    trust: Option<Arc<Trust>>,
}

/// The result of decoding one document that a read has returned.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for one match, and most documents are directives"
)]
#[derive(Debug)]
pub(super) enum DecodedDocument<'a> {
    Directive(DocumentRef<'a>),
    /// The document is revoked or rejected, so it applies to no request. The document is revoked if
    /// `rejection` is `None`. The document is rejected if `rejection` contains a reason.
    Other {
        rejection: Option<Rejection>,
        /// The time of the last write of the revoked document; `None` if the document is rejected.
        updated_at: Option<Timestamp>,
        /// The user who revoked the document; `None` if the document is rejected.
        by: Option<Box<str>>,
    },
}

impl DocumentDecoder {
    pub(super) fn new(limits: DecodeLimits, index_uuid: &str, trust: Option<Arc<Trust>>) -> Self {
        Self {
            limits,
            index_uuid: index_uuid.to_owned(),
            trust,
        }
    }

    pub(super) fn decode<'a>(&self, hit: &'a Hit<'a>) -> DecodedDocument<'a> {
        let source = hit.source.get();
        let rejected = |rejection: Rejection| DecodedDocument::Other {
            // An invalid document that is revoked counts as revoked and not as rejected, because it
            // applies to no request anyway.
            rejection: (!is_revoked(source)).then_some(rejection),
            updated_at: None,
            by: None,
        };
        let document = match decode(&hit.id, source, &self.limits) {
            Ok(document) => document,
            Err(rejection) => return rejected(rejection),
        };
        if document.is_revoked() {
            if let Some(trust) = &self.trust {
                trust.note_revoked(&document, &self.index_uuid, self.limits.now);
            }
            return DecodedDocument::Other {
                rejection: None,
                updated_at: document.audit().updated_at,
                by: {
                    let audit = document.audit();
                    let name = audit.revoked_by.as_deref().or(audit.updated_by.as_deref());
                    name.map(Into::into)
                },
            };
        }
        match Trust::check_with(self.trust.as_deref(), &document, &self.index_uuid) {
            Ok(()) => DecodedDocument::Directive(document),
            Err(rejection) => rejected(rejection),
        }
    }
}
