//! Converts directives from and to the documents of the index. The decoder rejects each document
//! that could widen a directive, that is, each document that could make the directive apply to more
//! requests than its author requested.
//!
//! A document has one of two forms. People write a [`Draft`]. If a field of a draft is missing, the
//! ingest pipeline sets the field to its default. The pipeline converts the draft into a stored
//! document. A stored document states every required field explicitly. [`decode`] accepts only
//! stored documents. In a stored document, an absent field never means that the directive applies
//! to more requests. So a directive cannot become wider if a role hides a field or a tool removes a
//! field.
//!
//! A writer can bypass the index's mapping and pipeline, so the decoder must not rely on the
//! mapping and the pipeline. The decoder distinguishes *absent*, *valid* and *wrong* values of each
//! field, and refuses the whole document if one value is wrong.

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
pub use signature::{KeyId, NotASignature, Signature, is_signer_name};
pub use signed_form::SignedForm;
pub use stored_document::{Audit, Document, DocumentState};

#[cfg(test)]
mod tests;
