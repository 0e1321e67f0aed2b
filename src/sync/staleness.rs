//! Is what is seen a step back? Those who must know are asked: the elected cluster
//! manager whether a node is in touch with it, the primary whether a document is so.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::fetch::{View, weight};
use super::probe::ObservedVersion;
use super::regressions::Regression;
use super::state::{Known, refreshed_within};
use super::{CONFIRM_AFTER, IndexSynchronizer, PendingRegression};
use crate::rest::{ReadError, off_the_runtime};
use crate::status::ProbedBy;

impl IndexSynchronizer {
    /// Makes sure that the position is not an older one: when it does not follow what is
    /// known, and from time to time, since a node that is cut off shows the same for
    /// ever.
    pub(super) async fn confirm(
        &mut self,
        position: &ObservedVersion,
        reconcile: bool,
    ) -> Result<(), ReadError> {
        let now = Instant::now();
        let suspicious = self
            .known
            .as_ref()
            .is_some_and(|known| !position.follows_known(known));
        let due = reconcile
            || self.confirm_at.is_none_or(|at| now >= at)
            || self.confirmed != self.source.node();
        #[cfg(test)]
        if self.flaw == Some(super::Flaw::NoOrder) {
            return Ok(());
        }
        if suspicious || due {
            self.confirm_with_manager(position, suspicious).await?;
        }
        Ok(())
    }

    async fn confirm_with_manager(
        &mut self,
        position: &ObservedVersion,
        suspicious: bool,
    ) -> Result<(), ReadError> {
        let now = Instant::now();
        match (self.source.cluster_version().await?, &self.cluster) {
            (Some(version), Some(newest)) if version.is_before(newest) => {
                let since = *self.behind_since.get_or_insert(now);
                if now.duration_since(since) < CONFIRM_AFTER {
                    self.counters.stale_reads += 1;
                    self.source.leave_node();
                    let what = "the state of the cluster is an older one";
                    return Err(self.source.stale(what));
                }
                warn!("the cluster's state stays older than one that was seen; taking it");
                self.cluster = Some(version);
            }
            (Some(version), newest) => {
                if newest.is_none() {
                    // There is none that what is known was read under.
                    self.say_twice(position, suspicious)?;
                }
                self.cluster = Some(version);
            }
            (None, Some(_)) => {
                let since = *self.untold_since.get_or_insert(now);
                if now.duration_since(since) < CONFIRM_AFTER {
                    self.source.leave_node();
                    return Err(self.source.untold());
                }
                self.cluster = None;
                self.go_without_versions(position, suspicious)?;
            }
            (None, None) => self.go_without_versions(position, suspicious)?,
        }
        self.behind_since = None;
        self.untold_since = None;
        self.confirm_at = now.checked_add(CONFIRM_AFTER);
        self.confirmed = self.source.node();
        Ok(())
    }

    fn go_without_versions(
        &mut self,
        position: &ObservedVersion,
        suspicious: bool,
    ) -> Result<(), ReadError> {
        self.without(
            "the version of the cluster's state",
            "the server refuses to tell",
        );
        self.say_twice(position, suspicious)
    }

    /// Where nothing shows whether a position is the latest, it is taken for that once it
    /// was seen twice, with a pause between.
    fn say_twice(&mut self, position: &ObservedVersion, suspicious: bool) -> Result<(), ReadError> {
        let said = self.unconfirmed.as_ref();
        if suspicious && !said.is_some_and(|said| position.follows(said)) {
            self.unconfirmed = Some(position.clone());
            return Err(self.source.unconfirmed());
        }
        Ok(())
    }

    /// Asks for the version of the cluster's state under which a new view was read: a node
    /// that is cut off since before shows an older one.
    ///
    /// Once the view was read, since what wrote it may have become the primary in between.
    pub(super) async fn date(
        &mut self,
        position: &ObservedVersion,
        view: &View,
    ) -> Result<(), ReadError> {
        #[cfg(test)]
        if self.flaw == Some(super::Flaw::NoDate) {
            return Ok(());
        }
        let known = self.known.as_ref();
        let same = |known: &Known| {
            known.replica.fingerprint() == view.replica.fingerprint() && known.term == view.term
        };
        if self.cluster.is_some() && !known.is_some_and(same) {
            self.confirm_with_manager(position, false).await?;
        }
        Ok(())
    }

    /// Makes sure that the view is not an older one than what is known.
    pub(super) async fn judge(
        &mut self,
        position: &ObservedVersion,
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
        if known.shown.is_before(view.replica.fingerprint().max_seq_no) {
            return Ok(());
        }
        let suspects = if let Some(suspects) = &view.suspects {
            suspects.clone()
        } else {
            let (before, later) = (Arc::clone(&known.replica), Arc::clone(&view.replica));
            off_the_runtime(weight(&later), move || before.suspects_in(&later)).await
        };
        if suspects.is_empty() {
            return Ok(());
        }
        // Where no copy can be behind what is known, any of them may judge.
        let all_hold_it = match position {
            ObservedVersion::Checkpoints(mark) => known.is_held_at(mark),
            ObservedVersion::Seen { .. } => false,
        };
        if let ObservedVersion::Seen { .. } = position {
            // No mark shows that the node is in touch with the others, and what a node that
            // was cut off takes for the primary is the old one.
            self.confirm_with_manager(position, false).await?;
        }
        let lasts = match self.verdict(view, &suspects, all_hold_it).await? {
            Verdict::True => return Ok(()),
            Verdict::Refuted(what) => {
                self.counters.stale_reads += 1;
                self.source.ask_another_copy();
                return Err(self.source.stale(what));
            }
            // Seen twice, on two copies if there are two, it is taken for true.
            Verdict::Unknown => Duration::ZERO,
            // By then it has refreshed, and shows what it has.
            Verdict::FreshnessBound => {
                refreshed_within(view.index.refresh_interval).unwrap_or(CONFIRM_AFTER)
            }
            // By then no write is under way any more that it may not have.
            Verdict::Behind => CONFIRM_AFTER,
        };
        let now = Instant::now();
        let fingerprint = view.replica.fingerprint();
        match &self.doubted {
            Some(doubt) if doubt.fingerprint == fingerprint => {
                if now.duration_since(doubt.since) >= lasts {
                    return Ok(());
                }
            }
            _ => {
                self.doubted = Some(PendingRegression {
                    fingerprint,
                    since: now,
                });
            }
        }
        self.source.ask_another_copy();
        Err(self.source.unconfirmed())
    }

    /// Whether the primary has the suspects as the view shows them; any copy, if it may
    /// judge.
    async fn verdict(
        &mut self,
        view: &View,
        suspects: &[Regression],
        any_copy: bool,
    ) -> Result<Verdict, ReadError> {
        let ids = suspects.iter().map(|suspect| suspect.id.as_str());
        if let Some(found) = self.source.in_real_time(&view.index, ids).await? {
            let other = suspects
                .iter()
                .find(|suspect| found.numbers.get(&suspect.id).copied() != suspect.seq_no);
            return Ok(match other {
                Some(other) => {
                    Verdict::Refuted(format!("the primary has another version of {:?}", other.id))
                }
                None if found.primary || any_copy => Verdict::True,
                None if self.plan.probe == ProbedBy::Statistics => Verdict::Behind,
                None => Verdict::Unknown,
            });
        }
        self.without("reading documents by id", "the server refuses to tell");
        let sum = self.source.summary_of_primary(&view.index).await?;
        Ok(match sum {
            Some(sum) if !sum.primary => Verdict::Unknown,
            Some(sum) if view.replica.fingerprint().agrees_with(&sum.of) => Verdict::FreshnessBound,
            Some(_) => Verdict::Refuted("the primary shows other documents".to_owned()),
            None => Verdict::Unknown,
        })
    }
}

/// What the primary says of suspects.
enum Verdict {
    True,
    Refuted(String),
    /// It says nothing.
    Unknown,
    /// It may not be asked for documents; a search on it shows the same as the view, but
    /// that can be behind by a refresh.
    FreshnessBound,
    /// Nor may it be asked; a copy says the same as the view, and the statistics will tell
    /// whether that can be behind.
    Behind,
}
