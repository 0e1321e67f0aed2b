//! The off switch, a kill switch for one instance: while the off file exists, no directive applies
//! in this instance.
//!
//! The off switch works even if the cluster is unreachable. The refresher continues to poll while
//! the off file exists, so the current directives apply as soon as the off file is removed.

use std::convert::Infallible;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tracing::{info, warn};

use super::outlet::Outlet;
use super::shared_state::Shared;
use crate::clock::Clock;
use crate::rest::off_the_runtime;

/// The pause between two checks for the off file.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Watches the off file, and makes the directives apply only while this file does not exist.
#[derive(Clone, Debug)]
pub(crate) struct OffSwitch {
    /// The path of the off file; `None` if no off file is configured.
    file: Option<PathBuf>,
    outlet: Outlet,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    /// True if the last check for the off file failed. Of several consecutive failed checks, only
    /// the first one is logged.
    is_failing: bool,
}

impl OffSwitch {
    pub(super) fn new(
        file: Option<PathBuf>,
        outlet: Outlet,
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            file,
            outlet,
            shared,
            clock,
            is_failing: false,
        }
    }

    /// Checks periodically whether the off file exists.
    pub(super) async fn run(mut self) -> Infallible {
        if self.file.is_none() {
            return std::future::pending().await;
        }
        loop {
            // The check may panic, because the clock and the log subscriber belong to the
            // application. A panic in one check must not prevent the next check for the off file.
            let _ = AssertUnwindSafe(self.check()).catch_unwind().await;
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
    }

    /// Checks once whether the off file exists. If the check for the off file fails, the directives
    /// stay off or on as before.
    pub(crate) async fn check(&mut self) {
        let Some(file) = self.file.clone() else {
            return;
        };
        let found = off_the_runtime(usize::MAX, move || exists(&file)).await;
        match found {
            Ok(is_off) => {
                self.is_failing = false;
                self.turn(is_off);
            }
            Err(error) if !self.is_failing => {
                self.is_failing = true;
                warn!(%error, file = self.file(), "cannot check whether the off file exists; the switch keeps its state");
            }
            Err(_) => {}
        }
    }

    /// Returns the path of the off file as a field of a log event.
    fn file(&self) -> Option<impl tracing::Value + '_> {
        self.file.as_ref().map(tracing::field::debug)
    }

    fn turn(&self, is_off: bool) {
        if !self.outlet.set_off(is_off) {
            return;
        }
        let now = self.clock.now();
        self.shared.update(|progress| {
            progress.last_change = Some(now);
            progress.counters.publishes += 1;
        });
        if is_off {
            warn!(
                file = self.file(),
                "the off file exists; no directive applies until it is removed"
            );
        } else {
            info!(
                file = self.file(),
                "the off file was removed; the directives apply again"
            );
        }
    }
}

/// Returns true if something exists at the path of the off file. A symbolic link counts as existing
/// even if its target does not exist.
fn exists(file: &std::path::Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(file) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
