//! Is what is seen a step back? Those who must know are asked: the elected cluster
//! manager whether a node is in touch with it, the primary whether a document is so.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::warn;

use super::position::Position;
use super::view::{View, weight};
use super::{CONFIRM_AFTER, Reading};
use crate::mirror::Suspect;
use crate::source::{ReadError, off_the_runtime};

impl Reading {
    /// Makes sure that the position is not an older one: when it does not follow what is
    /// known, and from time to time, since a node that is cut off shows the same for
    /// ever.
    pub(super) async fn confirm(
        &mut self,
        position: &Position,
        reconcile: bool,
    ) -> Result<(), ReadError> {
        let now = Instant::now();
        let suspicious = self
            .known
            .as_ref()
            .is_some_and(|known| !position.follows_known(known));
        let due = reconcile || self.confirm_at.is_none_or(|at| now >= at);
        #[cfg(test)]
        if self.flaw == Some(super::Flaw::NoOrder) {
            return Ok(());
        }
        if !(suspicious || due) {
            return Ok(());
        }
        if let Some(version) = self.source.cluster_version().await? {
            if let Some(newest) = &self.cluster
                && version.is_before(newest)
            {
                let since = *self.behind_since.get_or_insert(now);
                if now.duration_since(since) < CONFIRM_AFTER {
                    self.counters.stale_reads += 1;
                    return Err(self
                        .source
                        .stale("the state of the cluster is an older one"));
                }
                warn!("the cluster's state stays older than one that was seen; taking it");
            }
            self.cluster = Some(version);
            self.behind_since = None;
        } else {
            self.without(
                "the version of the cluster's state",
                "the server refuses to tell",
            );
            // Said twice, with a pause between, it is taken for true.
            let said = self.unconfirmed.as_ref();
            if suspicious && !said.is_some_and(|said| position.follows(said)) {
                self.unconfirmed = Some(position.clone());
                return Err(self.source.unconfirmed());
            }
        }
        self.confirm_at = now.checked_add(CONFIRM_AFTER);
        Ok(())
    }

    /// Makes sure that the view is not an older one than what is known.
    pub(super) async fn judge(
        &mut self,
        position: &Position,
        view: &View,
    ) -> Result<(), ReadError> {
        let Some(known) = self.known.as_ref().filter(|known| {
            known.index.uuid == view.index.uuid && !position.is_restored_since(known)
        }) else {
            return Ok(());
        };
        #[cfg(test)]
        if self.flaw == Some(super::Flaw::NoOrder) {
            return Ok(());
        }
        let suspects = if let Some(suspects) = &view.suspects {
            suspects.clone()
        } else {
            let (before, later) = (Arc::clone(&known.mirror), Arc::clone(&view.mirror));
            off_the_runtime(weight(&later), move || before.suspects_in(&later)).await
        };
        if suspects.is_empty() {
            return Ok(());
        }
        if let Some(what) = self.refuted(view, &suspects).await? {
            self.counters.stale_reads += 1;
            self.source.ask_another_copy();
            return Err(self.source.stale(what));
        }
        Ok(())
    }

    /// What of the suspects the primary has otherwise than the view.
    async fn refuted(
        &self,
        view: &View,
        suspects: &[Suspect],
    ) -> Result<Option<String>, ReadError> {
        let ids = suspects.iter().map(|suspect| suspect.id.as_str());
        let Some(numbers) = self.source.in_real_time(&view.index, ids).await? else {
            let sum = self.source.summary_of_primary(&view.index).await?;
            let agrees = sum.is_none_or(|sum| view.mirror.fingerprint().agrees_with(&sum));
            return Ok((!agrees).then(|| "the primary shows other documents".to_owned()));
        };
        let other = suspects
            .iter()
            .find(|suspect| numbers.get(&suspect.id).copied() != suspect.seq_no);
        Ok(other.map(|suspect| format!("the primary has another version of {:?}", suspect.id)))
    }
}
