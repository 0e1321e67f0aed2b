//! Contains the trusted keys and the signature policy of a running store, and reloads both when
//! their files change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::error::SignatureError;
use super::policy::SignaturePolicy;
use super::revoked_contents::RevokedContents;
use super::trusted_keys::TrustedKeys;
use super::verification_settings::SignatureChecks;
use super::verify_document::Trust;
use crate::config::Config;
use crate::http::{ConfigError, chain};
use crate::limited_read::LimitedRead;

/// The interval at which the store reads the files of trusted keys and of the policy again. The
/// store reads the files with credentials at the same interval, once a minute.
const RENEW_EVERY: Duration = Duration::from_secs(60);
/// The longest time for which a poll waits for the files. The earlier keys and the earlier policy
/// stay in force after it.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The trusted keys and the signature policy with which a store verifies documents. If the
/// configuration has no [`SignatureChecks`], the store verifies no signature.
#[derive(Debug, Default)]
pub(crate) struct Verifier {
    checks: Option<SignatureChecks>,
    max_documents: usize,
    state: Mutex<State>,
    reads: LimitedRead<Result<(TrustedKeys, SignaturePolicy), SignatureError>>,
    revoked: Arc<RevokedContents>,
    verifications: Arc<AtomicU64>,
    reloads: AtomicU64,
    failures: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    trust: Option<Arc<Trust>>,
    /// How often the trusted keys or the policy have been set or replaced.
    generation: u64,
    /// The instant at which the last read of the files of trusted keys and of the policy began. If
    /// `read_at` is `None`, the store reads the files before the next poll.
    read_at: Option<Instant>,
}

impl Verifier {
    /// Reads the files of trusted keys and of the policy, if the configuration requires the
    /// verification of signatures.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let verifier = Self {
            checks: config.signatures.clone(),
            max_documents: config.max_documents,
            ..Self::default()
        };
        if let Some(checks) = &verifier.checks {
            let (keys, policy) = checks.read().map_err(|error| {
                ConfigError::setting("signatures", "the keys or the policy cannot be used")
                    .with_source(error)
            })?;
            if keys.is_empty() {
                return Err(ConfigError::setting(
                    "signatures",
                    "the files of trusted keys hold no key; add a file `.pub` of each signer",
                ));
            }
            verifier.replace(keys, policy);
            verifier.state().read_at = Some(Instant::now());
        }
        Ok(verifier)
    }

    /// Returns the trusted keys and the policy in force; `None` if the store verifies no
    /// signatures.
    pub(crate) fn trust(&self) -> Option<Arc<Trust>> {
        self.state().trust.clone()
    }

    /// Returns the number of the current generation of keys and policy, which increases with each
    /// change of them. A verdict that was computed in an earlier generation of keys and policy is
    /// outdated.
    pub(crate) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Reads the files of trusted keys and of the policy again if at least a minute has passed
    /// since the last reading. If one of these files cannot be used or is not read in time, the
    /// earlier keys and the earlier policy stay in force.
    pub(crate) async fn renew(&self) {
        let Some(checks) = self.checks.clone() else {
            return;
        };
        {
            let mut state = self.state();
            if (state.read_at).is_some_and(|read_at| read_at.elapsed() < RENEW_EVERY) {
                return;
            }
            // The instant is set before the read, because a poll that reaches its time limit during
            // the read drops this future. The next polls must not wait again.
            state.read_at = Some(Instant::now());
        }
        match self.reads.run(READ_TIMEOUT, move || checks.read()).await {
            Ok(Ok((keys, policy))) => {
                let same = self
                    .trust()
                    .is_some_and(|trust| *trust.keys() == keys && *trust.policy() == policy);
                if !same {
                    self.replace(keys, policy);
                    self.reloads.fetch_add(1, Ordering::Relaxed);
                    info!("trusted keys or the signature policy changed and were reloaded");
                }
            }
            Ok(Err(error)) => self.note_failure(&error),
            Err(error) => self.note_failure(&error),
        }
    }

    fn note_failure(&self, error: &dyn std::error::Error) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        warn!(
            error = chain(error),
            "trusted keys or the signature policy cannot be reloaded; the last good ones stay in use"
        );
    }

    /// Makes the store read the files of trusted keys and of the policy again before the next poll.
    pub(crate) fn expire(&self) {
        self.state().read_at = None;
    }

    /// Returns how many signatures the store has verified since its start.
    pub(crate) fn verifications(&self) -> u64 {
        self.verifications.load(Ordering::Relaxed)
    }

    /// Returns the number of successful reloads that changed the keys or the policy, and the number
    /// of failed reloads.
    pub(crate) fn reloads(&self) -> (u64, u64) {
        (
            self.reloads.load(Ordering::Relaxed),
            self.failures.load(Ordering::Relaxed),
        )
    }

    /// Returns each trusted key in the form `NAME:KEY`, for the status.
    pub(crate) fn trusted_keys(&self) -> Vec<String> {
        let trust = self.trust();
        let keys = trust.iter().flat_map(|trust| trust.keys().iter());
        keys.map(|key| format!("{}:{}", key.name(), key.id()))
            .collect()
    }

    fn replace(&self, keys: TrustedKeys, policy: SignaturePolicy) {
        for rule in policy.rules() {
            let names = keys.iter().map(super::PublicKey::name);
            let mut names: Vec<&str> = names.collect();
            names.sort_unstable();
            names.dedup();
            if rule.count(&names) < rule.signers {
                warn!(
                    needed = rule.signers,
                    trusted = rule.count(&names),
                    "a rule of the signature policy needs more signers than have trusted keys"
                );
            }
        }
        let trust = Trust::sharing(
            keys,
            policy,
            self.max_documents,
            Arc::clone(&self.revoked),
            Arc::clone(&self.verifications),
        );
        let mut state = self.state();
        state.trust = Some(Arc::new(trust));
        state.generation += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The keys and the policy are consistent even if a thread panicked while it held the lock,
        // so the code ignores that the lock is poisoned.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
