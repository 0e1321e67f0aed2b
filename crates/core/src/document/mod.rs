//! Converts directives to the documents of an OpenSearch index and back. The decoder rejects each
//! document that could make a directive apply to more requests than its author intended.
//!
//! A document is either a draft or a stored document. An operator writes a [`Draft`]. If a field of
//! a draft is missing, the ingest pipeline sets the field to its default. The ingest pipeline
//! converts a draft into a stored document. A stored document contains every required field.
//! [`decode`] accepts only stored documents, not drafts. In a stored document, leaving a field out
//! never makes the directive apply to more requests. A directive therefore never applies to more
//! requests because a role hides a field or a tool removes one.
//!
//! A writer can bypass the index's mapping and the ingest pipeline, so the decoder does not rely on
//! their checks. The decoder distinguishes for each field whether its value is *absent*, *valid* or
//! *wrong*. If one value is wrong, the decoder refuses the whole document.

mod decode;
mod decode_field;
mod draft;
mod draft_file;
mod draft_file_error;
mod encode;
mod hidden_targets_check;
mod id_check;
mod rejection;
mod signature;
mod signed_form;
mod stored_document;
mod time;

pub use decode::{DecodeLimits, DocumentRef, decode, is_revoked};
pub use draft::{Draft, Expiry};
pub use draft_file::parse_drafts;
pub use draft_file_error::{ImportError, ImportErrorKind};
pub(crate) use encode::{DirectiveJson, write_effects, write_scope};
pub use encode::{encode, encode_draft};
#[doc(hidden)]
pub use rejection::reject_signatures;
pub use rejection::{Rejection, RejectionReason};
#[doc(hidden)]
pub use signature::MAX_SIGNATURES;
pub use signature::{KeyId, NotASignature, Signature, is_signer_name};
pub use signed_form::SignedForm;
pub use stored_document::{Audit, Document, DocumentState};

#[cfg(test)]
mod tests;
