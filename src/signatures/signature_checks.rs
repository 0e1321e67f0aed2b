//! Says which keys a store trusts and which directives need signatures, and reads the files of both.

use std::path::PathBuf;

use super::error::SignatureError;
use super::policy::SignaturePolicy;
use super::trusted_keys::TrustedKeys;

/// Which keys a store trusts, and which directives need signatures.
///
/// The files are read again once a minute and at
/// [`reload_credentials`](crate::OpenSearchDirectiveStore::reload_credentials). What has changed
/// then is applied by the next poll, which reads everything. A file that cannot be used leaves the
/// earlier keys and policy in force, with a warning and a counter; a file without a key trusts
/// nobody.
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
    /// Trusts the keys in these files. Every directive needs one signer.
    #[must_use]
    pub fn new<I: IntoIterator<Item: Into<PathBuf>>>(trusted_keys: I) -> Self {
        Self {
            trusted_keys: trusted_keys.into_iter().map(Into::into).collect(),
            policy: PolicySource::Fixed(SignaturePolicy::required()),
        }
    }

    /// Sets the policy.
    #[must_use]
    pub fn with_policy(mut self, policy: SignaturePolicy) -> Self {
        self.policy = PolicySource::Fixed(policy);
        self
    }

    /// Reads the policy from a file.
    #[must_use]
    pub fn with_policy_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.policy = PolicySource::File(file.into());
        self
    }

    /// Reads all files. Blocks meanwhile.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn read(&self) -> Result<(TrustedKeys, SignaturePolicy), SignatureError> {
        let policy = match &self.policy {
            PolicySource::Fixed(policy) => policy.clone(),
            PolicySource::File(file) => SignaturePolicy::read(file)?,
        };
        Ok((TrustedKeys::read(&self.trusted_keys)?, policy))
    }
}
