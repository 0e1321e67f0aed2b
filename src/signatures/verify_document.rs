//! Verifies the signatures of one document, and checks whether they satisfy the signature policy.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use jiff::Timestamp;
use opensearch_directives_core::DirectiveRef;
use opensearch_directives_core::document::{
    DocumentRef, Rejection, RejectionReason, Signature, SignedForm,
};
use opensearch_directives_core::internal::reject_signatures;
use sha2::{Digest as _, Sha256};

use super::policy::SignaturePolicy;
use super::revoked_contents::RevokedContents;
use super::trusted_keys::{PublicKey, TrustedKeys};
use super::verdict_cache::{ContentHash, VerdictCache};

/// A [`Trust`] that was created without a maximum number of documents caches the verdicts on this
/// many documents.
const DEFAULT_VERDICTS: usize = 1_000;

/// The reason for rejecting a document, and the value with which the rejection's message begins.
type Refusal = (RejectionReason, Box<str>);

/// The trusted keys and the signature policy of a proxy.
pub struct Trust {
    keys: TrustedKeys,
    policy: SignaturePolicy,
    verdicts: VerdictCache<Option<Refusal>>,
    revoked: Arc<RevokedContents>,
    pub(super) verifications: Arc<AtomicU64>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("keys", &self.keys)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// The names of the signers of a document, and the rejection if the signatures do not satisfy the
/// policy.
#[derive(Clone, Debug)]
pub struct SignatureVerdict {
    signers: Vec<String>,
    unknown: Vec<String>,
    refusal: Option<Refusal>,
}

impl SignatureVerdict {
    /// Returns the names of the signers who have a valid signature by a trusted key. The returned
    /// list contains each name once.
    #[must_use]
    pub fn signers(&self) -> &[String] {
        &self.signers
    }

    /// Returns the names that the signatures by untrusted keys contain. A signature by an untrusted
    /// key does not prove who signed the document.
    #[must_use]
    pub fn unknown_signers(&self) -> &[String] {
        &self.unknown
    }

    /// Returns the rejection for the document with the given id; `None` if the document satisfies
    /// the policy.
    #[must_use]
    pub fn rejection(&self, id: &str) -> Option<Rejection> {
        self.refusal
            .as_ref()
            .map(|(reason, value)| reject_signatures(id, value, *reason))
    }
}

impl PublicKey {
    /// Returns true if the signature names this public key and its signer, and is valid for the
    /// signed form.
    #[must_use]
    pub fn verifies(&self, form: &SignedForm<'_>, signature: &Signature) -> bool {
        signature.key() == self.id()
            && signature.signer() == self.name()
            && UnparsedPublicKey::new(&ED25519, self.bytes())
                .verify(&form.message(self.name()), signature.bytes())
                .is_ok()
    }
}

impl Trust {
    /// Creates a `Trust` from trusted keys and a signature policy, with no remembered revocations.
    #[must_use]
    pub fn new(keys: TrustedKeys, policy: SignaturePolicy) -> Self {
        Self::sharing(
            keys,
            policy,
            DEFAULT_VERDICTS,
            Arc::default(),
            Arc::default(),
        )
    }

    /// Creates a `Trust` from trusted keys and a signature policy, for example after the keys have
    /// changed. The new `Trust` shares the remembered revocations and the counter of verifications
    /// with the `Trust` that it replaces, so a change of keys loses neither of them.
    pub(super) fn sharing(
        keys: TrustedKeys,
        policy: SignaturePolicy,
        max_documents: usize,
        revoked: Arc<RevokedContents>,
        verifications: Arc<AtomicU64>,
    ) -> Self {
        Self {
            keys,
            policy,
            // The limit of the cache is a quarter above `max_documents`, so that verdicts on
            // documents that change between two full reads do not displace verdicts on unchanged
            // documents.
            verdicts: VerdictCache::new(max_documents.saturating_add(max_documents / 4)),
            revoked,
            verifications,
        }
    }

    /// Returns the public keys whose signatures the proxy accepts.
    #[must_use]
    pub fn keys(&self) -> &TrustedKeys {
        &self.keys
    }

    /// Returns the policy that says how many signers a directive needs.
    #[must_use]
    pub fn policy(&self) -> &SignaturePolicy {
        &self.policy
    }

    /// Verifies the signatures of a document in the index with the given uuid, and returns the
    /// verdict.
    #[must_use]
    pub fn verdict(&self, document: &DocumentRef<'_>, index_uuid: &str) -> SignatureVerdict {
        let form = document.signed_form(index_uuid);
        self.verify(&document.directive(), &form, document.signatures())
    }

    /// Returns a rejection if a document does not satisfy the signature policy. The method caches
    /// the verdict, because documents with equal content and signatures have the same verdict.
    pub(crate) fn check(
        &self,
        document: &DocumentRef<'_>,
        index_uuid: &str,
    ) -> Result<(), Rejection> {
        let (directive, signatures) = (document.directive(), document.signatures());
        let reject = |refusal: Option<Refusal>| match refusal {
            Some((reason, value)) => Err(reject_signatures(directive.id, &value, reason)),
            None => Ok(()),
        };
        if signatures.is_empty() {
            return reject(self.shortfall(&directive, &[]));
        }
        let form = document.signed_form(index_uuid);
        let content = form.content();
        reject(self.verdicts.get_or(hash(&content, signatures), || {
            self.verify(&directive, &form, signatures).refusal
        }))?;
        if self.revoked.contains(&content) {
            return reject(Some((RejectionReason::RevokedBefore, "false,".into())));
        }
        Ok(())
    }

    /// Calls [`check`](Self::check) if the store verifies signatures; otherwise accepts the
    /// document.
    pub(crate) fn check_with(
        trust: Option<&Self>,
        document: &DocumentRef<'_>,
        index_uuid: &str,
    ) -> Result<(), Rejection> {
        trust.map_or(Ok(()), |trust| trust.check(document, index_uuid))
    }

    /// Remembers that a document was revoked, if its signatures satisfy the policy. After a call of
    /// `note_revoked`, this process rejects the revoked directive even if somebody restores the
    /// document with its valid signatures.
    pub(crate) fn note_revoked(
        &self,
        document: &DocumentRef<'_>,
        index_uuid: &str,
        now: Timestamp,
    ) {
        let expires_at = document.directive().expires_at;
        if document.signatures().is_empty()
            || expires_at <= now
            || self.check(document, index_uuid).is_err()
        {
            return;
        }
        let content = document.signed_form(index_uuid).content();
        self.revoked.insert(&content, expires_at, now);
    }

    fn verify(
        &self,
        directive: &DirectiveRef<'_>,
        form: &SignedForm<'_>,
        signatures: &[Signature],
    ) -> SignatureVerdict {
        let (mut signers, mut unknown) = (Vec::new(), Vec::new());
        for signature in signatures {
            let name = signature.signer();
            let Some(key) = self.keys.get(signature.key()) else {
                unknown.push(name.to_owned());
                continue;
            };
            self.verifications.fetch_add(1, Ordering::Relaxed);
            if !key.verifies(form, signature) {
                return SignatureVerdict {
                    signers,
                    unknown,
                    refusal: Some((RejectionReason::WrongSignature, name.into())),
                };
            }
            // If one signer has signed with two keys, both signatures count as one signer.
            if !signers.iter().any(|signer| signer == name) {
                signers.push(name.to_owned());
            }
        }
        let names: Vec<&str> = signers.iter().map(String::as_str).collect();
        let refusal = self.shortfall(directive, &names);
        SignatureVerdict {
            signers,
            unknown,
            refusal,
        }
    }

    /// Returns the reason to reject a document: the first rule of the policy that the given signers
    /// do not satisfy. Returns `None` if the given signers satisfy every rule.
    fn shortfall(&self, directive: &DirectiveRef<'_>, signers: &[&str]) -> Option<Refusal> {
        self.policy.rules().iter().find_map(|rule| {
            let (have, need) = (rule.count(signers), rule.signers);
            (rule.applies_to(directive) && have < need).then(|| {
                let value = format!("{have} of {need}").into();
                (RejectionReason::TooFewSigners, value)
            })
        })
    }
}

/// Returns a hash of all parts of a document on which its verdict depends.
fn hash(content: &[u8], signatures: &[Signature]) -> ContentHash {
    let mut hasher = Sha256::new();
    hasher.update((content.len() as u64).to_be_bytes());
    hasher.update(content);
    for signature in signatures {
        hasher.update((signature.signer().len() as u64).to_be_bytes());
        hasher.update(signature.signer());
        hasher.update(signature.key().as_bytes());
        hasher.update(signature.bytes());
    }
    hasher.finalize().into()
}
