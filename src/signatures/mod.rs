//! Verifies that each directive is signed by people whose keys the proxy trusts. If a proxy
//! verifies signatures, nobody can make the proxy record more by writing to the index without a
//! trusted key.
//!
//! A signer signs a directive with an Ed25519 [`SigningKey`]. A proxy has the [`TrustedKeys`] of
//! its signers and a [`SignaturePolicy`]. The signature policy says how many signers a directive
//! needs. The proxy rejects a document that does not satisfy the signature policy, as it rejects a
//! malformed document. A rejected document applies to no request, and the log and the status
//! contain the reason.
//!
//! `docs/SIGNATURES.md` in the repository lists the fields that a signature covers and the fields
//! that it does not cover.

mod error;
mod key_files;
mod policy;
mod revoked_contents;
mod signing_key;
mod trust_reload;
mod trusted_keys;
mod verdict_cache;
mod verification_settings;
mod verify_document;

pub use error::{SignatureError, SignatureErrorKind};
pub use policy::{DirectiveClass, SignaturePolicy, SignatureRule};
pub use signing_key::SigningKey;
pub(crate) use trust_reload::Verifier;
pub use trusted_keys::{PublicKey, TrustedKeys};
pub use verification_settings::SignatureChecks;
pub use verify_document::{SignatureVerdict, Trust};

#[cfg(test)]
mod tests;
