//! What must hold after every poll, whatever happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::documents::{IDS, TENANTS};
use crate::index::{Fate, Operation};
use crate::simulated_transport::TOLD_TO;
use crate::view_history::View;
use crate::world::World;
use opensearch_directives::Config;
use opensearch_directives::Snapshot;
use opensearch_directives::error::{PollError, PollErrorKind};
use opensearch_directives::internal::{CLOSE_TIMEOUT, Refresher, Shared};
use opensearch_directives::status::Rejection;
use opensearch_directives::status::{Counters, ProbeMethod};
use opensearch_directives::{Decision, EndpointKind, RequestAttrs};

/// A promise that was broken, and how.
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

/// What a refresher has published, so that nothing older may follow.
#[derive(Debug)]
struct Floor {
    /// Of what the name stood for.
    epoch: usize,
    index: usize,
    /// Of each document, oldest first: those that may still be lost, and one that not.
    published: BTreeMap<&'static str, Vec<Arc<Operation>>>,
}

impl Floor {
    /// The last state of a document that was published and acknowledged.
    fn acknowledged(&self, id: &str) -> Option<&Arc<Operation>> {
        let published = self.published.get(id)?;
        let acknowledged = |operation: &&Arc<Operation>| operation.fate() == Fate::Acknowledged;
        published
            .iter()
            .filter(acknowledged)
            .max_by_key(|o| o.seq_no)
    }
}

/// One refresher, watched.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) refresher: Refresher,
    shared: Arc<Shared>,
    published: Arc<Snapshot>,
    counters: Counters,
    floor: Option<Floor>,
    /// The view that is published.
    view: Option<View>,
}

impl Watched {
    pub(crate) fn new(refresher: Refresher) -> Self {
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

    /// Holds what is published after a poll against what was before.
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

    /// A poll keeps its deadline, but for what it has left open on the server, and the next
    /// one keeps its distance.
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
                let asked = error.retry_after().unwrap_or_default();
                let least = Config::DEFAULT_INTERVAL.max(asked.min(Config::DEFAULT_MAX_BACKOFF));
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
            && error.to_string() != format!("the refresher panicked: {TOLD_TO}")
        {
            return broken("P10", format!("a panic in the poll: {error}"));
        }
        if counters.panics != expected.panics {
            return broken("P10", format!("{} panics are counted", counters.panics));
        }
        if counters != expected {
            return broken("P5", format!("{before:?} became {counters:?} ({result:?})"));
        }
        if status.last_error.is_some() != result.is_err() {
            return broken("P5", format!("last error {:?}", status.last_error));
        }
        if self.published.revision().is_none() && status.last_error.is_none_or(|e| e.is_empty()) {
            return broken("P9", "there was no complete read yet, and nothing says why");
        }
        if (status.consecutive_failures == 0) != result.is_ok() {
            return broken("P5", format!("{} failures", status.consecutive_failures));
        }
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

    /// What is published is one view, whole, and not before the one that was.
    fn check_published(&mut self, world: &World) -> Result<(), Broken> {
        let snapshot = Arc::clone(&self.published);
        let mut any = None;
        let mut lowest: Option<Floor> = None;
        for shown in world.history.views(&snapshot) {
            any = Some(shown.clone());
            let Some(floor) = self.after(world, shown) else {
                continue;
            };
            // The lowest that it can have been.
            let newest = |floor: &Floor| {
                let last = floor.published.values().filter_map(|states| states.last());
                (
                    floor.epoch,
                    last.map(|operation| operation.seq_no).sum::<u64>(),
                )
            };
            if lowest
                .as_ref()
                .is_none_or(|low| newest(&floor) < newest(low))
            {
                lowest = Some(floor);
            }
        }
        match (lowest, any) {
            (Some(floor), any) => {
                self.floor = Some(floor);
                self.view = any;
                Ok(())
            }
            (None, Some(shown)) => broken(
                "P3",
                format!(
                    "went back to {:?} of index {}, from {:?}",
                    shown.operations().map(brief).collect::<Vec<_>>(),
                    shown.index,
                    self.floor.as_ref().map(|floor| (
                        floor.index,
                        floor
                            .published
                            .values()
                            .flatten()
                            .map(brief)
                            .collect::<Vec<_>>()
                    )),
                ),
            ),
            (None, None) => broken(
                "P1, P2, P6",
                format!("published what no copy ever showed: {snapshot:?}"),
            ),
        }
    }

    /// What is published once this view is; `None` if it would be a step back.
    ///
    /// A document that is gone was deleted, or not written yet: nobody can tell these
    /// two apart, so it is a step back only if there was no deletion to go by.
    fn after(&self, world: &World, shown: &View) -> Option<Floor> {
        let first = self.floor.as_ref().map_or(0, |floor| floor.epoch);
        let epochs = world.cluster.epochs.iter().enumerate().skip(first);
        let mut epochs = epochs.filter(|(_, index)| **index == Some(shown.index));
        let (epoch, _) = epochs.next()?;
        let before = self
            .floor
            .as_ref()
            .filter(|floor| floor.index == shown.index);
        let index = &world.cluster.indices[shown.index];
        let mut published = BTreeMap::new();
        for id in IDS {
            let bound = before.and_then(|floor| floor.acknowledged(id));
            let live = shown
                .operation(id)
                .filter(|operation| operation.document.is_some());
            let now = match (live, bound) {
                (Some(live), Some(bound)) if live.seq_no < bound.seq_no => return None,
                (None, Some(bound)) if bound.document.is_some() => {
                    Some(index.deletion_after(bound)?)
                }
                (None, bound) => bound,
                (Some(live), _) => Some(live),
            };
            let before = before.and_then(|floor| floor.published.get(id));
            let at_least = bound.map_or(0, |bound| bound.seq_no);
            let mut states: Vec<_> = before
                .into_iter()
                .flatten()
                .filter(|state| state.fate() != Fate::Lost && state.seq_no >= at_least)
                .cloned()
                .collect();
            states.extend(now.cloned());
            states.dedup_by(|a, b| Arc::ptr_eq(a, b));
            published.insert(id, states);
        }
        let index = shown.index;
        Some(Floor {
            epoch,
            index,
            published,
        })
    }

    /// Every decision is that of the published view at this instant.
    fn check_decisions(&self, now: Timestamp) -> Result<(), Broken> {
        let set = self.shared.load();
        for tenant in [None, Some(TENANTS[0]), Some(TENANTS[1])] {
            let request = RequestAttrs {
                tenant,
                index: "orders",
                principal: "ann",
                endpoint: EndpointKind::ALL[0],
            };
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

    /// Whether what is published is what the index holds.
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
        let of_this = |uuid: &str| uuid == of.uuid || !world.history.knows_identity;
        revision.is_some_and(|revision| of_this(&revision.uuid)) && truth.is_what(&self.published)
    }

    /// Whether the polls use the statistics.
    pub(crate) fn has_statistics(&self) -> bool {
        self.shared.status().reading.probe == ProbeMethod::Statistics
    }

    /// Whether the last poll failed and asked about document-level security.
    pub(crate) fn misses_documents(&self) -> bool {
        let status = self.shared.status();
        let error = status.last_error.unwrap_or_default();
        error.contains("document-level security")
    }

    pub(crate) fn published(&self) -> &Snapshot {
        &self.published
    }
}

/// A document's last operation, for people.
fn brief(operation: &Arc<Operation>) -> String {
    let gone = if operation.document.is_some() {
        ""
    } else {
        " deleted"
    };
    format!(
        "{}{gone} {} {:?}",
        operation.id,
        operation.seq_no,
        operation.fate()
    )
}
