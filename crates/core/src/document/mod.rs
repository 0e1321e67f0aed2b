//! One directive as a document of the index: decoding, encoding, and the reasons for a refusal.
//!
//! There are two forms. A [`Draft`] is short: people write it, and what it leaves out has a
//! default. A stored document is explicit: the ingest pipeline makes it of a draft, and
//! [`decode`] takes nothing else. In a stored document an absent field never means *more*,
//! so a field that a role hides or a tool drops cannot widen a directive.
//!
//! The decoder is the last line of defence, because a writer can bypass the index's mapping
//! and pipeline. For each field *absent*, *valid* and *wrong* are three different things, and
//! a wrong value refuses the whole document.

mod decode;
mod decode_field;
mod draft;
mod draft_file;
mod draft_file_error;
mod encode;
mod id;
mod record;
mod rejection;
mod targets_check;
mod time;

pub use decode::{DecodeLimits, DocumentRef, decode, is_revoked};
pub use draft::{Draft, Expiry};
pub use draft_file::parse_drafts;
pub use draft_file_error::{ImportError, ImportErrorKind};
pub(crate) use encode::{DirectiveJson, write_effects, write_scope};
pub use encode::{encode, encode_draft};
pub use record::{Audit, Document, DocumentState};
pub use rejection::{Rejection, RejectionReason};

#[cfg(test)]
mod tests;
