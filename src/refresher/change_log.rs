//! Logs and counts each change of a directive. A publish of a new snapshot can add, change or
//! remove a directive. Between two publishes, a directive can start or expire.
//!
//! An expired directive counts as absent, because otherwise the first read of an index with many
//! old documents would log all of them.

mod compare;

use std::fmt;

use jiff::Timestamp;
use opensearch_directives_core::document::Rejection;
use opensearch_directives_core::{
    DirectiveRef, DirectiveSet, DirectiveState, EndpointKind, Snapshot,
};
use tracing::{info, warn};

use crate::status::ChangeCounters;
use crate::sync::Origins;
use compare::{ChangedFields, Difference, differences};

/// The maximum number of changes that are logged for one publish, or for one search for starts and
/// expiries. The counters count all changes of directives, including those that are not logged.
const LOGGED_CHANGES: usize = 100;
/// The maximum number of rejections that are logged for one publish. The status contains all
/// rejections, including those that are not logged.
const LOGGED_REJECTIONS: usize = 100;

/// The state of the change log: up to which instant all starts and expiries are logged, and at
/// which instant the next directive starts or expires.
#[derive(Debug, Default)]
pub(super) struct ChangeLog {
    /// The author and the `_seq_no` of the last write of each published document; `None` if the
    /// source does not know them.
    origins: Option<Origins>,
    /// The instant up to which all starts and expiries have been logged; `None` before the first
    /// publish.
    logged_until: Option<Timestamp>,
    /// The instant at which the next published directive starts or expires; `None` if there is no
    /// such directive.
    next: Option<Timestamp>,
}

impl ChangeLog {
    /// Logs which directives and rejections differ between the snapshots before and after a
    /// publish. Returns the number of changes of each kind, and the number of new rejections.
    pub(super) fn publish(
        &mut self,
        before: &Snapshot,
        after: &Snapshot,
        origins: Option<Origins>,
        now: Timestamp,
    ) -> (ChangeCounters, u64) {
        // The starts and expiries that happened before the publish are logged first, so that the
        // log is in the order of time.
        let mut counters = self.advance(before.set(), now);
        // The directive sets are compared only if their digests differ. The digests are equal if a
        // publish changes only the revision or the rejections.
        if before.digest() != after.digest() {
            counters += log_differences(before.set(), after.set(), origins.as_ref(), now);
        }
        let rejections = log_rejections(before, after, self.origins.as_ref(), origins.as_ref());
        self.origins = origins;
        self.logged_until = Some(now);
        self.next = next_boundary(after.set(), now);
        (counters, rejections)
    }

    /// Returns the instant at which the next published directive starts or expires.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// Logs the directives of the published set that have started or expired since the last call of
    /// `advance` or `publish`. Returns how many directives have started, and how many have expired.
    pub(super) fn advance(&mut self, set: &DirectiveSet, now: Timestamp) -> ChangeCounters {
        let mut counters = ChangeCounters::default();
        let (Some(from), Some(next)) = (self.logged_until, self.next) else {
            return counters;
        };
        if now < next {
            return counters;
        }
        let mut lines = Lines::default();
        for directive in set.iter() {
            let (event, at) = match (directive.state(from), directive.state(now)) {
                (DirectiveState::Scheduled, DirectiveState::Active) => {
                    counters.started += 1;
                    ("started", directive.starts_at.unwrap_or(now))
                }
                (DirectiveState::Scheduled | DirectiveState::Active, DirectiveState::Expired) => {
                    counters.expired += 1;
                    ("expired", directive.expires_at)
                }
                _ => continue,
            };
            if lines.has_room() {
                log_event(event, directive, at, self.origins.as_ref());
            }
        }
        lines.report_omitted();
        self.logged_until = Some(now);
        self.next = next_boundary(set, now);
        counters
    }
}

/// Limits the number of changes that are logged for one publish, or for one search for starts and
/// expiries.
#[derive(Default)]
struct Lines {
    wanted: usize,
}

impl Lines {
    fn has_room(&mut self) -> bool {
        self.wanted += 1;
        self.wanted <= LOGGED_CHANGES
    }

    fn report_omitted(&self) {
        if let Some(more @ 1..) = self.wanted.checked_sub(LOGGED_CHANGES) {
            info!(
                more,
                "further directives changed; the counters contain them"
            );
        }
    }
}

/// Returns the first instant after `now` at which any directive of `set` starts or expires.
fn next_boundary(set: &DirectiveSet, now: Timestamp) -> Option<Timestamp> {
    let boundary = |directive: DirectiveRef<'_>| match directive.state(now) {
        DirectiveState::Scheduled => directive.starts_at.min(Some(directive.expires_at)),
        DirectiveState::Active => Some(directive.expires_at),
        DirectiveState::Expired => None,
    };
    set.iter().filter_map(boundary).min()
}

fn log_differences(
    before: &DirectiveSet,
    after: &DirectiveSet,
    origins: Option<&Origins>,
    now: Timestamp,
) -> ChangeCounters {
    let mut counters = ChangeCounters::default();
    let mut lines = Lines::default();
    for difference in differences(before, after, now) {
        match difference {
            Difference::Added(_) => counters.added += 1,
            Difference::Changed(..) => counters.changed += 1,
            Difference::Removed(_) => counters.removed += 1,
        }
        if lines.has_room() {
            log_difference(&difference, origins);
        }
    }
    lines.report_omitted();
    counters
}

fn log_difference(difference: &Difference<'_>, origins: Option<&Origins>) {
    let (change, directive, changed, removal) = match *difference {
        Difference::Added(directive) => ("added", directive, None, None),
        Difference::Changed(before, after) => {
            let fields = ChangedFields::between(before, after);
            ("changed", after, Some(fields), None)
        }
        Difference::Removed(directive) => {
            let cause = origins.map(|origins| origins.removal(directive.id).as_str());
            ("removed", directive, None, cause)
        }
    };
    let origin = origins.map(|origins| origins.of_document(directive.id));
    info!(
        change,
        id = directive.id,
        level = directive.level.as_str(),
        targets = %Targets(directive),
        sample_per_mille = directive.sample_per_mille,
        starts_at = directive.starts_at.map(tracing::field::display),
        expires_at = %directive.expires_at,
        by = origin.and_then(|origin| origin.by),
        seq_no = origin.and_then(|origin| origin.seq_no),
        changed = changed.map(tracing::field::display),
        cause = removal,
        "a directive was {change}"
    );
}

fn log_event(
    change: &'static str,
    directive: DirectiveRef<'_>,
    at: Timestamp,
    origins: Option<&Origins>,
) {
    let origin = origins.map(|origins| origins.of_document(directive.id));
    info!(
        change,
        id = directive.id,
        level = directive.level.as_str(),
        targets = %Targets(directive),
        at = %at,
        by = origin.and_then(|origin| origin.by),
        seq_no = origin.and_then(|origin| origin.seq_no),
        "a directive {change}"
    );
}

/// Logs the rejections in the snapshot `after` that the snapshot `before` does not contain. The
/// rejection of a document that was written again is logged again, even if the reason is the same.
/// Returns the number of rejections that `after` contains and `before` does not.
fn log_rejections(
    before: &Snapshot,
    after: &Snapshot,
    origins_before: Option<&Origins>,
    origins_after: Option<&Origins>,
) -> u64 {
    let mut logged = 0;
    let mut new = new_rejections(before, after, origins_before, origins_after);
    for rejection in new.by_ref().take(LOGGED_REJECTIONS) {
        logged += 1;
        let origin = origins_after.map(|origins| origins.of_document(rejection.id()));
        warn!(
            id = rejection.id(),
            seq_no = origin.and_then(|origin| origin.seq_no),
            reason = %rejection,
            "a document is rejected"
        );
    }
    let more = new.count();
    if more > 0 {
        warn!(
            more,
            "further documents are rejected; the status lists all of them"
        );
    }
    logged + more as u64
}

fn new_rejections<'a>(
    before: &'a Snapshot,
    after: &'a Snapshot,
    origins_before: Option<&'a Origins>,
    origins_after: Option<&'a Origins>,
) -> impl Iterator<Item = &'a Rejection> {
    let seq_no = |origins: Option<&Origins>, id: &str| origins?.of_document(id).seq_no;
    // A binary search finds the rejection in the former snapshot, because both snapshots order
    // their rejections by id.
    let known = before.rejections();
    after.rejections().iter().filter(move |rejection| {
        let found = known.binary_search_by(|known| known.id().cmp(rejection.id()));
        !found.is_ok_and(|at| {
            let id = rejection.id();
            known.get(at) == Some(rejection)
                && seq_no(origins_before, id) == seq_no(origins_after, id)
        })
    })
}

/// Formats the targets of a directive for the log, such as `tenant=acme index=orders`.
struct Targets<'a>(DirectiveRef<'a>);

impl fmt::Display for Targets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(directive) = self;
        let targets = [
            ("tenant", directive.tenant),
            ("index", directive.index),
            ("principal", directive.principal),
            ("endpoint", directive.endpoint.map(EndpointKind::as_str)),
        ];
        let mut separator = "";
        for (name, value) in targets {
            if let Some(value) = value {
                // The value of a target is escaped, because it may contain spaces and control
                // characters.
                write!(f, "{separator}{name}={}", value.escape_debug())?;
                separator = " ";
            }
        }
        if separator.is_empty() {
            f.write_str("all requests")?;
        }
        Ok(())
    }
}
