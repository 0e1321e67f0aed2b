//! Checks the promises of ARCHITECTURE.md after every simulated poll. The checks examine the
//! published snapshot, the status, and the pause before the next poll.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::document_generator::TENANTS;
use crate::regression_check::Floor;
use crate::returned_views::View;
use crate::simulated_transport::INJECTED_PANIC;
use crate::world::World;
use opensearch_directives::Config;
use opensearch_directives::Snapshot;
use opensearch_directives::error::{PollError, PollErrorKind};
use opensearch_directives::internal::{CLOSE_TIMEOUT, Poller, Shared};
use opensearch_directives::status::Rejection;
use opensearch_directives::status::{Counters, ProbeMethod, Status};
use opensearch_directives::{Decision, EndpointKind, RequestAttrs};

/// A promise of ARCHITECTURE.md that a refresher has broken, with a description of what happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Broken {
    pub(crate) promise: &'static str,
    pub(crate) how: String,
}

fn broken<T>(promise: &'static str, how: impl Into<String>) -> Result<T, Broken> {
    Err(Broken {
        promise,
        how: how.into(),
    })
}

/// A refresher under test, with the data that the promise checks need after the next poll.
#[derive(Debug)]
pub(crate) struct ObservedRefresher {
    pub(crate) refresher: Poller,
    shared: Arc<Shared>,
    published: Arc<Snapshot>,
    counters: Counters,
    floor: Option<Floor>,
    /// The view of the index that has the same content as the published snapshot.
    view: Option<View>,
}

impl ObservedRefresher {
    pub(crate) fn new(refresher: Poller) -> Self {
        let shared = Arc::clone(refresher.shared());
        Self {
            refresher,
            published: shared.snapshot(),
            counters: shared.status().counters,
            shared,
            floor: None,
            view: None,
        }
    }

    /// Checks the published snapshot and the status after a poll, and compares them with the
    /// snapshot and the status before the poll.
    pub(crate) fn check(
        &mut self,
        world: &World,
        result: &Result<(), PollError>,
    ) -> Result<(), Broken> {
        let before = std::mem::replace(&mut self.published, self.shared.snapshot());
        let changed = !Arc::ptr_eq(&before, &self.published);
        if changed && result.is_err() {
            return broken("P5", "a failed poll published");
        }
        if changed && before.is_same_as(&self.published) {
            return broken("P7", "what is unchanged was published");
        }
        self.check_status(result, changed)?;
        if changed {
            self.check_published(world)?;
        } else if result.is_ok() && self.published.revision().is_none() {
            return broken("P1", "a poll succeeded, and nothing is published");
        }
        self.check_decisions(world.now())
    }

    /// Checks that the poll did not exceed its time limit, and that the pause before the next poll
    /// has the right length. After its time limit, a poll may still take `CLOSE_TIMEOUT` to close
    /// its point in time.
    pub(crate) fn check_times(
        &mut self,
        result: &Result<(), PollError>,
        took: Duration,
    ) -> Result<(), Broken> {
        if took > Config::DEFAULT_POLL_TIMEOUT + CLOSE_TIMEOUT {
            return broken("P8", format!("a poll took {took:?}"));
        }
        let pause = self.refresher.pause_after(result.as_ref().err());
        let (least, most) = match result {
            Ok(()) => (
                Config::DEFAULT_INTERVAL * 9 / 10,
                Config::DEFAULT_INTERVAL * 11 / 10,
            ),
            Err(error) => {
                let retry_after = error.retry_after().unwrap_or_default();
                let least =
                    Config::DEFAULT_INTERVAL.max(retry_after.min(Config::DEFAULT_MAX_BACKOFF));
                (least, least.max(Config::DEFAULT_MAX_BACKOFF))
            }
        };
        if pause < least || pause > most {
            return broken("P8", format!("a pause of {pause:?} after {result:?}"));
        }
        Ok(())
    }

    fn check_status(
        &mut self,
        result: &Result<(), PollError>,
        changed: bool,
    ) -> Result<(), Broken> {
        let status = self.shared.status();
        let counters = status.counters;
        let before = std::mem::replace(&mut self.counters, counters);
        let panicked = result
            .as_ref()
            .is_err_and(|error| error.kind() == PollErrorKind::Panic);
        let mut expected = counters;
        expected.polls_succeeded = before.polls_succeeded + u64::from(result.is_ok());
        expected.polls_failed = before.polls_failed + u64::from(result.is_err());
        expected.publishes = before.publishes + u64::from(changed);
        expected.panics = before.panics + u64::from(panicked);
        if let Err(error) = result
            && panicked
            && error.to_string() != format!("the refresher panicked: {INJECTED_PANIC}")
        {
            return broken("P10", format!("a panic in the poll: {error}"));
        }
        if counters.panics != expected.panics {
            return broken("P10", format!("{} panics are counted", counters.panics));
        }
        if counters != expected {
            return broken("P5", format!("{before:?} became {counters:?} ({result:?})"));
        }
        self.check_last_error(&status, result)?;
        self.check_agreement(&status)
    }

    fn check_last_error(
        &self,
        status: &Status,
        result: &Result<(), PollError>,
    ) -> Result<(), Broken> {
        if status.last_error.is_some() != result.is_err() {
            return broken("P5", format!("last error {:?}", status.last_error));
        }
        if self.published.revision().is_none()
            && status.last_error.as_ref().is_none_or(String::is_empty)
        {
            return broken(
                "P9",
                "there was no complete read yet, and the status contains no error",
            );
        }
        if (status.consecutive_failures == 0) != result.is_ok() {
            return broken("P5", format!("{} failures", status.consecutive_failures));
        }
        Ok(())
    }

    /// Checks that the published set, the status and the snapshot come from the same read.
    fn check_agreement(&self, status: &Status) -> Result<(), Broken> {
        let snapshot = &self.published;
        let refused: Vec<_> = status.rejected.iter().map(Rejection::id).collect();
        let rejections: Vec<_> = snapshot.rejections().iter().map(Rejection::id).collect();
        if snapshot.set().digest() != snapshot.digest()
            || status.digest != snapshot.digest()
            || status.revision.as_ref() != snapshot.revision()
            || status.directives != snapshot.set().len()
            || refused != rejections
            || self.shared.load().digest() != snapshot.digest()
        {
            return broken("P7", "set, revision, digest and rejections do not agree");
        }
        Ok(())
    }

    /// Checks that the published snapshot is one complete view of the index, and that it is not
    /// older than any snapshot that was published before.
    fn check_published(&mut self, world: &World) -> Result<(), Broken> {
        let snapshot = Arc::clone(&self.published);
        let mut any = None;
        let mut lowest: Option<Floor> = None;
        for view in world.seen_views.views(&snapshot) {
            any = Some(view.clone());
            let Some(floor) = Floor::after(self.floor.as_ref(), world, view) else {
                continue;
            };
            // If several views have the same content as the published snapshot, the check assumes
            // that the refresher published the oldest of them, so that the check never reports a
            // correct publish as a step back.
            if lowest.as_ref().is_none_or(|low| floor.rank() < low.rank()) {
                lowest = Some(floor);
            }
        }
        match (lowest, any) {
            (Some(floor), any) => {
                self.floor = Some(floor);
                self.view = any;
                Ok(())
            }
            (None, Some(view)) => {
                let views_now: Vec<_> = view.operations().map(|o| o.brief()).collect();
                let floor = self.floor.as_ref().map(Floor::describe);
                let index = view.index;
                let how = format!("went back to {views_now:?} of index {index}, from {floor:?}");
                broken("P3", how)
            }
            (None, None) => broken(
                "P1, P2, P6",
                format!("published what no copy ever showed: {snapshot:?}"),
            ),
        }
    }

    /// Checks that, at the current instant, the published set makes the same decisions as the
    /// documents from which it was built.
    fn check_decisions(&self, now: Timestamp) -> Result<(), Broken> {
        let set = self.shared.load();
        for tenant in [None, Some(TENANTS[0]), Some(TENANTS[1])] {
            let mut request = RequestAttrs::new("orders", "ann", EndpointKind::ALL[0]);
            request.tenant = tenant;
            let mut expected = Decision::default();
            let directives = self.view.iter().flat_map(View::directives);
            for directive in directives.filter(|directive| {
                directive.starts_at.is_none_or(|starts_at| starts_at <= now)
                    && now < directive.expires_at
                    && (directive.match_.tenant.is_none()
                        || directive.match_.tenant.as_deref() == tenant)
            }) {
                expected.level = expected.level.max(directive.level);
                expected.capture |= directive.capture;
            }
            let decision = set.evaluate(&request, now, "request-1");
            if decision != expected {
                return broken("P4", format!("{decision:?} at {now}, not {expected:?}"));
            }
        }
        Ok(())
    }

    /// Returns true if the published snapshot has the same content as the index.
    pub(crate) fn has_all(&self, world: &World) -> bool {
        let Some(index) = world.cluster.bound() else {
            return false;
        };
        let of = &world.cluster.indices[index];
        let shards = of.shards.iter();
        let truth = View {
            index,
            shards: shards.map(|s| Arc::clone(&s.primary().applied)).collect(),
        };
        let revision = self.published.revision();
        let of_this = |uuid: &str| uuid == of.uuid || !world.seen_views.knows_identity;
        revision.is_some_and(|revision| of_this(&revision.uuid))
            && truth.is_view_of(&self.published)
    }

    /// Returns true if the polls use the index statistics to detect changes.
    pub(crate) fn has_statistics(&self) -> bool {
        self.shared.status().reading.probe == ProbeMethod::Statistics
    }

    /// Returns the notes in the status about features that the polls cannot use.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.shared.status().reading.notes
    }

    /// Returns true if the last poll failed because document-level security hides documents.
    pub(crate) fn misses_documents(&self) -> bool {
        let status = self.shared.status();
        let error = status.last_error.unwrap_or_default();
        error.contains("document-level security")
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn published(&self) -> &Snapshot {
        &self.published
    }
}
