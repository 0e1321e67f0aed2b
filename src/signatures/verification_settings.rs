//! The settings of signature verification: the files of the trusted keys, and either a fixed policy
//! or a policy file.

use std::path::PathBuf;

use super::error::SignatureError;
use super::policy::SignaturePolicy;
use super::trusted_keys::TrustedKeys;

/// The trusted keys of a store, and the policy that says which directives need a signature.
///
/// The store reads the files of trusted keys and of the policy again once a minute, and after a
/// call of [`reload_credentials`](crate::OpenSearchDirectiveStore::reload_credentials). If the keys
/// or the policy have changed, the next poll makes a full read and verifies each document with the
/// new keys and policy. If a file of keys or the policy file cannot be used, or is not read within
/// two seconds, the earlier keys and the earlier policy stay in force, and the store logs a warning
/// and increments a counter. If an operator removes all keys from the files, the store trusts no signer.
#[derive(Clone, Debug)]
pub struct SignatureChecks {
    trusted_keys: Vec<PathBuf>,
    policy: PolicySource,
}

#[derive(Clone, Debug)]
enum PolicySource {
    Fixed(SignaturePolicy),
    File(PathBuf),
}

impl SignatureChecks {
    /// Creates settings that trust the keys in the given files. Without a call of `with_policy` or
    /// `with_policy_file`, every directive needs one signer.
    #[must_use]
    pub fn new<I: IntoIterator<Item: Into<PathBuf>>>(trusted_keys: I) -> Self {
        Self {
            trusted_keys: trusted_keys.into_iter().map(Into::into).collect(),
            policy: PolicySource::Fixed(SignaturePolicy::required()),
        }
    }

    /// Sets a policy that does not change while the store runs.
    #[must_use]
    pub fn with_policy(mut self, policy: SignaturePolicy) -> Self {
        self.policy = PolicySource::Fixed(policy);
        self
    }

    /// Sets the file from which the store reads the policy.
    #[must_use]
    pub fn with_policy_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.policy = PolicySource::File(file.into());
        self
    }

    /// Reads the trusted keys and the policy from their files. Reading the files blocks the calling
    /// thread.
    ///
    /// # Errors
    /// Returns an error if a file of keys or the policy file cannot be read or has invalid content.
    pub fn read(&self) -> Result<(TrustedKeys, SignaturePolicy), SignatureError> {
        let policy = match &self.policy {
            PolicySource::Fixed(policy) => policy.clone(),
            PolicySource::File(file) => SignaturePolicy::read(file)?,
        };
        Ok((TrustedKeys::read(&self.trusted_keys)?, policy))
    }
}
