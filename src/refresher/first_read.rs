//! Performs the first read of a store, and applies the start-up policy if the first read fails.

use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::Poller;
use crate::config::Startup;
use crate::error::{PollError, StartError, chain};
use crate::last_good_format::LastGoodError;

impl Poller {
    /// Makes the first read of the store, and applies the start-up policy if this read fails.
    /// Returns the pause before the first poll of the polling loop.
    pub(crate) async fn begin(&mut self, startup: Startup) -> Result<Duration, StartError> {
        self.check_last_good().await;
        // The refresher checks the off file before the first publish, because no directive may
        // apply even for a moment while the off file exists.
        self.off_switch.check().await;
        self.recall_last_good().await;
        match startup {
            Startup::Empty => return Ok(Duration::ZERO),
            Startup::Require { within } => {
                self.poll_within(within)
                    .await
                    .map_err(StartError::first_read)?;
            }
            Startup::LastGood => {
                if let Err((poll, file)) = self.poll_or_restore().await {
                    return Err(StartError::last_good(poll, file));
                }
            }
            Startup::LastGoodOrEmpty => {
                if let Err((_, file)) = self.poll_or_restore().await {
                    warn!(error = %chain(&file), "starting with an empty set");
                }
            }
        }
        Ok(self.phase())
    }

    /// Polls at least once, and repeats a failed poll until a poll succeeds or `within` has passed.
    async fn poll_within(&mut self, within: Duration) -> Result<(), PollError> {
        let began = Instant::now();
        loop {
            let Err(error) = self.poll().await else {
                return Ok(());
            };
            let pause = self.pause_after(Some(&error));
            if began.elapsed().saturating_add(pause) > within {
                return Err(error);
            }
            self.announce_pause(pause);
            tokio::time::sleep(pause).await;
        }
    }

    async fn poll_or_restore(&mut self) -> Result<(), (PollError, LastGoodError)> {
        let Err(poll) = self.poll().await else {
            return Ok(());
        };
        self.restore().await.map_err(|file| (poll, file))
    }
}
