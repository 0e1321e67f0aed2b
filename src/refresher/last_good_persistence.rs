//! Reads the last-good file at the start, publishes the snapshot in this file if the first read
//! fails, and writes the file after each publish.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::Poller;
use super::read_age::ReadAge;
use crate::last_good_format::{self, LastGoodError};
use crate::rest::off_the_runtime;
use opensearch_directives_core::document::DecodeLimits;

impl Poller {
    /// Passes the snapshot of the last-good file to the source, so that the source can compare its
    /// first read with this snapshot. An unreadable last-good file causes no error here, because
    /// [`restore`](Self::restore) reports the error.
    pub(super) async fn recall_last_good(&mut self) {
        let Some(file) = self.last_good.clone() else {
            return;
        };
        let index = self.shared.client.index().to_owned();
        let trust = self.shared.verifier.trust();
        // The snapshot shows which documents an earlier process accepted, so the limit of this
        // process does not matter.
        let limits = DecodeLimits {
            now: self.clock.now(),
            max_ttl: Duration::MAX,
        };
        let read = move || last_good_format::read(file.path(), &index, trust.as_deref(), &limits);
        match off_the_runtime(usize::MAX, read).await {
            Ok(snapshot) => self.source.recall(&snapshot),
            Err(error) => debug!(%error, "there is no last good set to compare with"),
        }
    }

    /// Publishes the snapshot of the last-good file, if such a file is configured.
    pub(crate) async fn restore(&mut self) -> Result<(), LastGoodError> {
        let Some(file) = self.last_good.clone() else {
            return Ok(());
        };
        let (index, now) = (self.shared.client.index().to_owned(), self.clock.now());
        let trust = self.shared.verifier.trust();
        let limits = DecodeLimits {
            now,
            max_ttl: self.max_ttl,
        };
        let snapshot = off_the_runtime(usize::MAX, move || {
            last_good_format::read(file.path(), &index, trust.as_deref(), &limits)
        })
        .await?;
        let read_at = snapshot.read_at();
        info!(
            directives = snapshot.set().len(),
            rejected = snapshot.rejections().len(),
            ?read_at,
            "publishing the set of the last-good file"
        );
        // If the clock was set back, the time at which the index was read may be in the future, so
        // the age of the set counts as zero.
        let age = read_at.and_then(|at| Duration::try_from(now.duration_since(at)).ok());
        let age = age.unwrap_or_default();
        let read = ReadAge::noted_now(age);
        self.withdraw_in_time(snapshot.set(), now, age);
        self.published_generation = None;
        let snapshot = self.with_hit_counters(snapshot, now).await;
        let before = self.shared.kept();
        self.outlet.publish(snapshot, Some(read.now()));
        self.shared.update(|progress| {
            progress.last_success = read_at;
            progress.read_age = Some(read);
        });
        self.log_changes(&before, None, now);
        Ok(())
    }

    /// Checks at the start that the process can write the last-good file. If the process cannot
    /// write the last-good file, the log and the status contain the reason.
    pub(crate) async fn check_last_good(&self) {
        let Some(file) = self.last_good.clone() else {
            return;
        };
        let path = file.path().to_owned();
        let checked = off_the_runtime(usize::MAX, move || file.check()).await;
        if let Err(error) = checked {
            warn!(%error, ?path, "the last-good file cannot be written");
            self.shared
                .update(|progress| progress.last_good_error = Some(error.to_string()));
        }
    }

    /// Writes the published snapshot to the last-good file, if one is configured.
    pub(super) async fn write_last_good(&self) {
        let Some(file) = self.last_good.clone() else {
            return;
        };
        let index = self.shared.client.index().to_owned();
        let snapshot = self.shared.kept();
        let written = off_the_runtime(usize::MAX, move || {
            last_good_format::write(&file, &index, &snapshot)
        });
        let error = written.await.err().map(|error| error.to_string());
        if let Some(error) = &error {
            warn!(error, "cannot write the last-good file");
        }
        self.shared
            .update(|progress| progress.last_good_error = error);
    }
}
