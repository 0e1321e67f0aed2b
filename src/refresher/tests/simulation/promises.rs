//! What must hold after every poll, whatever happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::documents::TENANTS;
use super::history::Shown;
use super::index::{Fate, Operation};
use super::world::World;
use crate::domain::{Decision, DiagLevel, DirectiveStore as _, EndpointKind, RequestAttrs};
use crate::error::PollError;
use crate::refresher::{Refresher, Shared};
use crate::snapshot::Snapshot;
use crate::status::Counters;

/// A promise that was broken, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Broken {
    pub(super) promise: &'static str,
    pub(super) how: String,
}

fn broken<T>(promise: &'static str, how: impl Into<String>) -> Result<T, Broken> {
    Err(Broken {
        promise,
        how: how.into(),
    })
}

/// What a refresher has published at least, so that nothing older may follow.
#[derive(Debug, Default)]
struct Floor {
    /// Of what the name stood for.
    epoch: usize,
    index: usize,
    operations: BTreeMap<&'static str, Arc<Operation>>,
}

/// One refresher, watched.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) refresher: Refresher,
    shared: Arc<Shared>,
    published: Arc<Snapshot>,
    counters: Counters,
    floor: Option<Floor>,
    /// The view that is published.
    view: Option<Shown>,
}

impl Watched {
    pub(super) fn new(refresher: Refresher) -> Self {
        let shared = Arc::clone(refresher.shared());
        Self {
            refresher,
            published: shared.published.snapshot(),
            counters: shared.status().counters,
            shared,
            floor: None,
            view: None,
        }
    }

    /// Holds what is published after a poll against what was before.
    pub(super) fn check(
        &mut self,
        world: &World,
        result: &Result<(), PollError>,
    ) -> Result<(), Broken> {
        let before = std::mem::replace(&mut self.published, self.shared.published.snapshot());
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
        } else if result.is_ok() && self.published.revision.is_none() {
            return broken("P1", "a poll succeeded, and nothing is published");
        }
        self.check_decisions(world.now())
    }

    fn check_status(&mut self, result: &Result<(), PollError>, changed: bool) -> Result<(), Broken> {
        let status = self.shared.status();
        let counters = status.counters;
        let before = std::mem::replace(&mut self.counters, counters);
        let panicked = matches!(result, Err(PollError::Panicked(_)));
        let expected = Counters {
            polls_succeeded: before.polls_succeeded + u64::from(result.is_ok()),
            polls_failed: before.polls_failed + u64::from(result.is_err()),
            publishes: before.publishes + u64::from(changed),
            panics: before.panics + u64::from(panicked),
            ..counters
        };
        if counters != expected {
            return broken("P5", format!("{before:?} became {counters:?} ({result:?})"));
        }
        if status.last_error.is_some() != result.is_err() {
            return broken("P5", format!("last error {:?}", status.last_error));
        }
        if (status.consecutive_failures == 0) != result.is_ok() {
            return broken("P5", format!("{} failures", status.consecutive_failures));
        }
        let snapshot = &self.published;
        let refused: Vec<_> = status.rejected.iter().map(|r| &r.id).collect();
        let rejections: Vec<_> = snapshot.rejections.iter().map(|r| &r.id).collect();
        if snapshot.set.digest() != snapshot.digest
            || status.digest != snapshot.digest
            || status.revision != snapshot.revision
            || status.directives != snapshot.set.len()
            || refused != rejections
            || self.shared.published.load().digest() != snapshot.digest
        {
            return broken("P7", "set, revision, digest and rejections do not agree");
        }
        Ok(())
    }

    /// What is published is one view, whole, and not before the one that was.
    fn check_published(&mut self, world: &World) -> Result<(), Broken> {
        let snapshot = Arc::clone(&self.published);
        let mut lowest: Option<(Floor, Shown)> = None;
        let mut any = None;
        for shown in world.history.views(&snapshot) {
            any = Some(shown);
            let Some(epoch) = self.may_follow(world, shown) else {
                continue;
            };
            let operations = shown
                .operations()
                .map(|operation| (operation.id, Arc::clone(operation)))
                .collect();
            let floor = Floor {
                epoch,
                index: shown.index,
                operations,
            };
            lowest = Some(match lowest {
                None => (floor, shown.clone()),
                Some((before, shown)) => (before.or(floor), shown),
            });
        }
        match (lowest, any) {
            (Some((floor, shown)), _) => {
                self.floor = Some(floor);
                self.view = Some(shown);
                Ok(())
            }
            (None, Some(shown)) => broken(
                "P3",
                format!(
                    "went back to {:?} of index {}, from {:?}",
                    shown.operations().map(brief).collect::<Vec<_>>(),
                    shown.index,
                    self.floor.as_ref().map(|floor| floor
                        .operations
                        .values()
                        .map(brief)
                        .collect::<Vec<_>>()),
                ),
            ),
            (None, None) => broken(
                "P1, P2, P6",
                format!("published what no copy ever showed: {snapshot:?}"),
            ),
        }
    }

    /// The first epoch in which a view can follow what is published; `None` if it is a
    /// step back.
    fn may_follow(&self, world: &World, shown: &Shown) -> Option<usize> {
        let floor = self.floor.as_ref();
        let first = floor.map_or(0, |floor| floor.epoch);
        let epochs = world.cluster.epochs.iter().enumerate().skip(first);
        let mut epochs = epochs.filter(|(_, index)| **index == Some(shown.index));
        let (epoch, _) = epochs.next()?;
        let Some(floor) = floor.filter(|floor| floor.index == shown.index) else {
            return Some(epoch);
        };
        let steps_back = floor.operations.iter().any(|(id, at_least)| {
            at_least.fate() == Fate::Acknowledged
                && shown
                    .operation(id)
                    .is_none_or(|operation| operation.seq_no < at_least.seq_no)
        });
        (!steps_back).then_some(epoch)
    }

    /// Every decision is that of the published view at this instant.
    fn check_decisions(&self, now: Timestamp) -> Result<(), Broken> {
        let set = self.shared.published.load();
        for tenant in [None, Some(TENANTS[0]), Some(TENANTS[1])] {
            let request = RequestAttrs {
                tenant,
                index: "orders",
                principal: "ann",
                endpoint: EndpointKind::ALL[0],
            };
            let mut expected = Decision {
                level: DiagLevel::Off,
                ring_buffer: false,
                capture: false,
            };
            let directives = self.view.iter().flat_map(Shown::directives);
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
    pub(super) fn has_all(&self, world: &World) -> bool {
        let Some(index) = world.cluster.bound() else {
            return false;
        };
        let of = &world.cluster.indices[index];
        let shards = of.shards.iter();
        let truth = Shown {
            index,
            shards: shards.map(|s| Arc::clone(&s.primary().applied)).collect(),
        };
        let revision = self.published.revision.as_ref();
        revision.is_some_and(|revision| revision.uuid == of.uuid) && truth.is_what(&self.published)
    }

    pub(super) fn published(&self) -> &Snapshot {
        &self.published
    }
}

impl Floor {
    /// What both are above.
    fn or(self, other: Self) -> Self {
        let operations = self.operations.into_iter().filter_map(|(id, one)| {
            let two = other.operations.get(id)?;
            let low = if one.seq_no <= two.seq_no { &one } else { two };
            Some((id, Arc::clone(low)))
        });
        Self {
            epoch: self.epoch.min(other.epoch),
            index: self.index,
            operations: operations.collect(),
        }
    }
}

/// A document's last operation, for people.
fn brief(operation: &Arc<Operation>) -> String {
    let gone = if operation.document.is_some() { "" } else { " deleted" };
    format!("{}{gone} {} {:?}", operation.id, operation.seq_no, operation.fate())
}
