//! Two-key directives: signatures by people whose keys a proxy trusts, so that write access to
//! the index alone raises nothing.
//!
//! A signer signs a directive with an Ed25519 [`SigningKey`]. A proxy has the [`TrustedKeys`] of
//! its signers and a [`SignaturePolicy`], which says how many of them a directive needs. A
//! document that does not satisfy the policy is rejected like a malformed one: it applies to no
//! request, and the log, a counter and the status name the reason.
//!
//! `docs/SIGNATURES.md` in the repository describes what a signature covers and what it does not.

mod checks;
mod error;
mod key_files;
mod policy;
mod revoked_contents;
mod signing_key;
mod trust;
mod trusted_keys;
mod verdict_cache;
mod verifier;

pub use checks::SignatureChecks;
pub use error::{SignatureError, SignatureErrorKind};
pub use policy::{DirectiveClass, SignaturePolicy, SignatureRule};
pub use signing_key::SigningKey;
pub use trust::{SignatureVerdict, Trust};
pub use trusted_keys::{PublicKey, TrustedKeys};
pub(crate) use verifier::Verifier;

#[cfg(test)]
mod tests;
