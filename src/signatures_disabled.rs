//! Replaces the module `signatures` in a build without the feature `signatures`. The replacement
//! module verifies no signature and rejects no document.

use std::convert::Infallible;
use std::sync::Arc;

use jiff::Timestamp;
use opensearch_directives_core::document::{DocumentRef, Rejection};

use crate::config::Config;
use crate::http::ConfigError;

/// Replaces the type for the trusted keys and the signature policy. No value of the type `Trust`
/// can exist, because a build without the feature `signatures` has neither trusted keys nor a
/// policy.
#[derive(Debug)]
pub(crate) struct Trust(Infallible);

#[expect(
    clippy::unnecessary_wraps,
    reason = "the same method as with the feature"
)]
impl Trust {
    pub(crate) fn check_with(
        trust: Option<&Self>,
        _: &DocumentRef<'_>,
        _: &str,
    ) -> Result<(), Rejection> {
        match trust {
            Some(trust) => match trust.0 {},
            None => Ok(()),
        }
    }

    pub(crate) fn note_revoked(&self, _: &DocumentRef<'_>, _: &str, _: Timestamp) {
        match self.0 {}
    }
}

/// Has the same interface as the verifier of a build with the feature `signatures`, but verifies no
/// signature.
#[derive(Debug, Default)]
pub(crate) struct Verifier {}

#[expect(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "the same methods as with the feature"
)]
impl Verifier {
    pub(crate) fn new(_: &Config) -> Result<Self, ConfigError> {
        Ok(Self {})
    }

    pub(crate) fn trust(&self) -> Option<Arc<Trust>> {
        None
    }

    pub(crate) fn generation(&self) -> u64 {
        0
    }

    pub(crate) fn renew(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    pub(crate) fn expire(&self) {}

    pub(crate) fn verifications(&self) -> u64 {
        0
    }

    pub(crate) fn reloads(&self) -> (u64, u64) {
        (0, 0)
    }

    pub(crate) fn trusted_keys(&self) -> Vec<String> {
        Vec::new()
    }
}
