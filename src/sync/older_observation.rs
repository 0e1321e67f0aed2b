//! Accepts or refuses a version or a view of the index that may be older than the last accepted
//! view. Before a poll accepts or refuses an older version or view, the poll consults the
//! authorities that the decision tables require.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::IndexSynchronizer;
use super::convergence::visible_within;
use super::fetch::{View, weight};
use super::manager_contact::CONFIRM_AFTER;
use super::older_observation_rules::{
    Authority, DocumentsFinding, ManagerFinding, Persistence, SearchFinding, Step, VersionFindings,
    ViewFindings, Witness, version_step, view_step,
};
use super::probe::ObservedVersion;
use super::signs_of_older_view::Regression;
use super::state::{Known, PendingRegression};
use crate::rest::{Lookup, ReadError, ReadFailure, Session, Summary, off_the_runtime};
use crate::safeguard_switches::Safeguard;
use crate::status::ProbeMethod;

/// A view that may be older than the last accepted view, and the facts that decide whether the poll
/// accepts the view.
struct RegressionCase<'a> {
    observed: &'a ObservedVersion,
    view: &'a View,
    regressions: &'a [Regression],
    /// The instant at which the poll that has read the view began.
    began: Instant,
    /// True if every in-sync copy holds all operations of the last accepted view.
    held_everywhere: bool,
}

impl IndexSynchronizer {
    /// Returns an error if the observed version may be older than the last accepted view, and the
    /// poll must not accept the version yet.
    ///
    /// If the observed version cannot be later than the last accepted view, the poll consults the
    /// cluster manager. The poll also consults the cluster manager at least once a minute, because
    /// a node that is cut off from the cluster returns the same version forever.
    pub(super) async fn confirm_node_is_current(
        &mut self,
        session: &Session,
        observed: &ObservedVersion,
        reconcile: bool,
    ) -> Result<(), ReadError> {
        if !self.checks(Safeguard::ConfirmNode) {
            return Ok(());
        }
        let known = self.state.known();
        let findings = VersionFindings {
            follows: known.is_none_or(|known| observed.follows_known(known)),
            due: reconcile || self.manager.is_due(session.node()),
            manager: ManagerFinding::NotConsulted,
        };
        match version_step(findings) {
            Step::Accept => Ok(()),
            _ => self.consult_manager(session, observed, findings).await,
        }
    }

    /// Requests the version of the cluster state through the node that serves the poll. The version
    /// of the cluster state decides whether the poll accepts or refuses the observed version of the
    /// index.
    async fn consult_manager(
        &mut self,
        session: &Session,
        observed: &ObservedVersion,
        findings: VersionFindings,
    ) -> Result<(), ReadError> {
        let response = session.cluster_version().await?;
        let manager = self.manager.assess(response.as_ref());
        match version_step(VersionFindings {
            manager,
            ..findings
        }) {
            Step::Accept => {}
            Step::AcceptIfItPersists(_) => self.require_second_sighting(session, observed)?,
            Step::Fail | Step::Consult(_) => {
                session.avoid_node();
                return Err(match manager {
                    ManagerFinding::Older { .. } => {
                        self.counters.stale_reads += 1;
                        let what = "the node's cluster state is older";
                        session.error(ReadFailure::Stale(what.to_owned()))
                    }
                    _ => session.error(ReadFailure::VersionWithheld),
                });
            }
        }
        if let ManagerFinding::Older { .. } = manager {
            warn!("the cluster has reported an older cluster state for a minute; accepting it");
        }
        if response.is_none() {
            self.degradations.note(
                "the version of the cluster state",
                "the server refuses the request",
            );
        }
        self.manager.confirm(response, session.node());
        Ok(())
    }

    /// Accepts a version of the index that no authority has confirmed, if an earlier poll has also
    /// observed this version. Records a version that no earlier poll has observed and returns an
    /// error, so that the poll fails.
    fn require_second_sighting(
        &mut self,
        session: &Session,
        observed: &ObservedVersion,
    ) -> Result<(), ReadError> {
        let before = self.state.suspected_version();
        if !self.checks(Safeguard::Persistence)
            || before.is_some_and(|before| observed.follows(before))
        {
            return Ok(());
        }
        self.state.suspect_version(observed.clone());
        Err(session.error(ReadFailure::Unconfirmed))
    }

    /// Checks after the read of a new view once more that the node has contact with the cluster
    /// manager.
    ///
    /// Between the first check of the node and the read, another primary may have taken over and
    /// written the documents of the view. A node that was cut off before another primary took over
    /// returns an older version of the cluster state, so the poll fails.
    pub(super) async fn confirm_after_read(
        &mut self,
        session: &Session,
        observed: &ObservedVersion,
        view: &View,
    ) -> Result<(), ReadError> {
        if !self.checks(Safeguard::ConfirmAfterRead) {
            return Ok(());
        }
        let same = |known: &Known| {
            known.replica.fingerprint() == view.replica.fingerprint() && known.term == view.term
        };
        if self.manager.newest().is_some() && !self.state.known().is_some_and(same) {
            self.confirm_node(session, observed).await?;
        }
        Ok(())
    }

    /// Checks that the node has contact with the cluster manager after the poll has already
    /// accepted the observed version.
    async fn confirm_node(
        &mut self,
        session: &Session,
        observed: &ObservedVersion,
    ) -> Result<(), ReadError> {
        let findings = VersionFindings {
            follows: true,
            due: true,
            manager: ManagerFinding::NotConsulted,
        };
        self.consult_manager(session, observed, findings).await
    }

    /// Returns an error if a new view may be older than the last accepted view, and the poll must
    /// not accept the new view yet. `began` is the instant at which the poll began.
    pub(super) async fn check_regressions(
        &mut self,
        session: &Session,
        observed: &ObservedVersion,
        view: &View,
        began: Instant,
    ) -> Result<(), ReadError> {
        let Some(known) = self.state.known().filter(|known| {
            known.index.uuid == view.index.uuid
                && observed.shares_history_with(known) != Some(false)
        }) else {
            return Ok(());
        };
        let max_seq_no = view.replica.fingerprint().max_seq_no;
        if !self.checks(Safeguard::Regressions) || known.freshness_bound.is_before(max_seq_no) {
            return Ok(());
        }
        let held_everywhere = match observed {
            ObservedVersion::Checkpoints(checkpoints) => known.is_held_everywhere(checkpoints),
            ObservedVersion::Searched { .. } => false,
        };
        let regressions = regressions(known, view).await;
        let findings = ViewFindings {
            regression: !regressions.is_empty(),
            checkpoints: matches!(observed, ObservedVersion::Checkpoints(_)),
            statistics: self.degradations.strategy().probe == ProbeMethod::Statistics,
            node_confirmed: false,
            documents: DocumentsFinding::NotConsulted,
            search: SearchFinding::NotConsulted,
        };
        let case = RegressionCase {
            observed,
            view,
            regressions: &regressions,
            began,
            held_everywhere,
        };
        self.decide(session, case, findings).await
    }

    /// Evaluates the decision table for views, and consults one authority after the other, until
    /// the table says that the poll accepts the view or fails.
    async fn decide(
        &mut self,
        session: &Session,
        case: RegressionCase<'_>,
        mut findings: ViewFindings,
    ) -> Result<(), ReadError> {
        let mut contradiction = "a search on the primary returns other documents".to_owned();
        loop {
            match view_step(findings) {
                Step::Accept => return Ok(()),
                Step::Fail => {
                    self.counters.stale_reads += 1;
                    self.reader.switch_copy();
                    return Err(session.error(ReadFailure::Stale(contradiction)));
                }
                Step::AcceptIfItPersists(persistence) => {
                    return self.require_persistence(session, &case, persistence);
                }
                Step::Consult(Authority::ClusterManager) => {
                    self.confirm_node(session, case.observed).await?;
                    findings.node_confirmed = true;
                }
                Step::Consult(Authority::PrimaryDocuments) => {
                    let (documents, other) = self.consult_documents(session, &case).await?;
                    findings.documents = documents;
                    if let Some(id) = other {
                        contradiction = format!("the primary has another version of {id:?}");
                    }
                }
                Step::Consult(Authority::PrimarySearch) => {
                    findings.search = consult_search(session, case.view).await?;
                }
            }
        }
    }

    /// Compares the documents of a view that are possible regressions with the primary's current
    /// versions of these documents. Returns the result of the comparison, and the id of the first
    /// document whose version on the primary differs.
    async fn consult_documents(
        &mut self,
        session: &Session,
        case: &RegressionCase<'_>,
    ) -> Result<(DocumentsFinding, Option<String>), ReadError> {
        let ids = case
            .regressions
            .iter()
            .map(|regression| regression.id.as_str());
        let found = match session.current_versions(&case.view.index, ids).await? {
            Lookup::Found(found) => found,
            Lookup::NotPermitted => {
                self.degradations.note(
                    "reading documents in real time",
                    "the server refuses `_mget`",
                );
                return Ok((DocumentsFinding::NotPermitted, None));
            }
        };
        let other = case
            .regressions
            .iter()
            .find(|regression| found.seq_nos.get(&regression.id).copied() != regression.seq_no);
        if let Some(other) = other {
            return Ok((DocumentsFinding::Contradict, Some(other.id.clone())));
        }
        let witness = if found.primary {
            Witness::Primary
        } else if case.held_everywhere {
            Witness::EveryCopyIsCurrent
        } else {
            Witness::AnyCopy
        };
        Ok((DocumentsFinding::Agree(witness), None))
    }

    /// Accepts a view that no authority has confirmed, if polls have read the same view for the
    /// required time. The required time counts from the end of the poll that first read the view to
    /// the beginning of this poll, because a slow poll reads its view before it ends. Records a view that polls have not yet read for long enough and returns an
    /// error, so that the poll fails.
    fn require_persistence(
        &mut self,
        session: &Session,
        case: &RegressionCase<'_>,
        persistence: Persistence,
    ) -> Result<(), ReadError> {
        let lasts = match persistence {
            Persistence::SecondSighting => Duration::ZERO,
            Persistence::Refresh => {
                visible_within(case.view.index.refresh_interval).unwrap_or(CONFIRM_AFTER)
            }
            Persistence::Minute => CONFIRM_AFTER,
        };
        if !self.checks(Safeguard::Persistence) {
            return Ok(());
        }
        let fingerprint = case.view.replica.fingerprint();
        match self.state.pending_regression() {
            Some(pending) if pending.fingerprint == fingerprint => {
                if case.began.duration_since(pending.since) >= lasts {
                    return Ok(());
                }
            }
            _ => self.state.suspect_view(PendingRegression {
                fingerprint,
                since: Instant::now(),
            }),
        }
        self.reader.switch_copy();
        Err(session.error(ReadFailure::Unconfirmed))
    }
}

/// Returns the possible regressions: the documents which suggest that a view may be older than the
/// last accepted view.
async fn regressions(known: &Known, view: &View) -> Vec<Regression> {
    if let Some(regressions) = &view.regressions {
        return regressions.clone();
    }
    let (before, later) = (Arc::clone(&known.replica), Arc::clone(&view.replica));
    off_the_runtime(weight(&later), move || before.regressions_in(&later)).await
}

/// Compares the fingerprint of a view with the aggregates of a search on the primary.
async fn consult_search(session: &Session, view: &View) -> Result<SearchFinding, ReadError> {
    Ok(match session.summary_of_primary(&view.index).await? {
        Some(Summary { of, primary: true }) => {
            if view.replica.fingerprint().agrees_with(&of) {
                SearchFinding::Agrees
            } else {
                SearchFinding::Contradicts
            }
        }
        _ => SearchFinding::NotPermitted,
    })
}
