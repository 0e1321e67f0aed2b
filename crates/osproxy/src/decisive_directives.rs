//! Selects the directives that can change one of osproxy's decisions before the next conversion.
//! The selected directives are in an order that lets osproxy end its scans early.
//!
//! osproxy scans its set three times for each request: for the level, for the ring buffer and for
//! capture. The scan for the level of a request always reads osproxy's whole set. The scan for the
//! ring buffer stops at the first directive that applies and requests the ring buffer. The scan for
//! capture stops at the first directive that applies and requests capture. To keep the scans short,
//! osproxy receives only active directives with effects and a sample rate above zero. A directive
//! that another directive makes superfluous is not passed to osproxy.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use osproxy_observe as peer;

use super::clock_pair::ClockPair;
use super::convert_types;
use opensearch_directives::status::DirectiveState;
use opensearch_directives::{DiagLevel, DirectiveRef, DirectiveSet, EndpointKind};

/// The selection compares each directive with at most this many directives that have the same
/// targets. `MAX_COMPARED` limits the duration of the selection if many directives have the same
/// targets. Because of the bound `MAX_COMPARED`, a superfluous directive may remain in osproxy's
/// set.
const MAX_COMPARED: usize = 32;

/// The age limit of a set is near if half of the time until the limit is shorter than one second.
const NEAR: Duration = Duration::from_secs(1);

/// The directives of a set that can change osproxy's decisions from a given instant on.
#[derive(Debug)]
pub(super) struct DecisiveDirectives {
    pub(super) directives: Vec<peer::DiagnosticsDirective>,
    /// The instant at which osproxy's set must be converted again. At `next_change`, a directive
    /// starts or expires, or the store may have moved the age limit of the set.
    pub(super) next_change: Option<Timestamp>,
}

impl DecisiveDirectives {
    pub(super) fn of(set: &DirectiveSet, now: &ClockPair) -> Self {
        let bound = AgeBound::of(set);
        let mut next_change = bound.next_conversion(now);
        let mut active = Vec::new();
        let directives = set.iter().map(|directive| bound.limit(directive));
        for directive in directives.filter(|directive| can_matter(directive, now)) {
            match directive.starts_at {
                Some(start) if !directive.is_active(now.wall()) => lower(&mut next_change, start),
                _ => active.push(directive),
            }
        }
        let mut decisive = without_superfluous(active);
        for directive in &decisive {
            lower(&mut next_change, directive.expires_at);
        }
        // Directives that can end a scan early come first. Sorting is stable, so both the
        // directives that can end a scan and all others stay ordered by their number of targets.
        decisive.sort_by_key(|directive| !(directive.ring_buffer || directive.capture));
        Self {
            directives: decisive
                .into_iter()
                .filter_map(|directive| convert_types::directive(directive, now))
                .collect(),
            next_change,
        }
    }
}

/// The age limit of a set, that is, the instant at which the set becomes too old; `None` if it has
/// no limit. No directive in osproxy's set expires after the age limit, because no directive of the
/// store's set applies after it. The store moves the age limit to a later instant whenever it
/// completes a read.
struct AgeBound(Option<Timestamp>);

impl AgeBound {
    fn of(set: &DirectiveSet) -> Self {
        Self(set.withdrawn_at())
    }

    /// Returns when the directives must be converted again, because the store may have moved the
    /// age limit in the meantime. The returned instant is halfway between now and the age limit. If
    /// the age limit is near, the method returns the age limit itself.
    fn next_conversion(&self, now: &ClockPair) -> Option<Timestamp> {
        let bound = self.0.filter(|bound| *bound > now.wall())?;
        let half = now.until(bound) / 2;
        if half < NEAR {
            return Some(bound);
        }
        now.wall().checked_add(half).ok()
    }

    fn limit<'a>(&self, mut directive: DirectiveRef<'a>) -> DirectiveRef<'a> {
        if let Some(bound) = self.0 {
            directive.expires_at = directive.expires_at.min(bound);
        }
        directive
    }
}

/// Returns true if the directive can change one of osproxy's decisions now or later.
fn can_matter(directive: &DirectiveRef<'_>, now: &ClockPair) -> bool {
    let has_effects =
        directive.level > DiagLevel::Off || directive.ring_buffer || directive.capture;
    let is_expired = directive.state(now.wall()) == DirectiveState::Expired;
    has_effects && directive.sample_per_mille > 0 && !is_expired
}

fn lower(next: &mut Option<Timestamp>, then: Timestamp) {
    *next = Some(next.map_or(then, |next| next.min(then)));
}

/// Removes each directive that another directive makes superfluous. A directive is superfluous if
/// another directive matches at least the same requests, has at least the same effects and sample
/// rate, and does not expire earlier.
fn without_superfluous(mut directives: Vec<DirectiveRef<'_>>) -> Vec<DirectiveRef<'_>> {
    // Sorting places each directive after the directives that can make it superfluous.
    directives.sort_by_key(|directive| {
        (
            Targets::of(directive).bits().count_ones(),
            Reverse(directive.level),
            Reverse(u8::from(directive.ring_buffer) + u8::from(directive.capture)),
            Reverse(directive.sample_per_mille),
            Reverse(directive.expires_at),
        )
    });
    let mut decisive = Decisive::default();
    for directive in directives {
        decisive.add(directive);
    }
    decisive.directives
}

#[derive(Default)]
struct Decisive<'a> {
    directives: Vec<DirectiveRef<'a>>,
    /// For each directive, the position of the previous directive with the same targets.
    before: Vec<Option<usize>>,
    /// For each combination of targets and their values, the position of the last directive that
    /// has it.
    last: HashMap<Targets<'a>, usize>,
    /// A bit mask of the combinations of target fields that the directives use.
    combinations: u16,
}

impl<'a> Decisive<'a> {
    fn add(&mut self, directive: DirectiveRef<'a>) {
        let targets = Targets::of(&directive);
        let bits = targets.bits();
        let is_superfluous = (0..16)
            .filter(|fewer| fewer & !bits == 0 && self.combinations >> fewer & 1 == 1)
            .any(|fewer| self.covers(targets.only(fewer), &directive));
        if is_superfluous {
            return;
        }
        let position = self.directives.len();
        self.directives.push(directive);
        self.before.push(self.last.insert(targets, position));
        self.combinations |= 1 << bits;
    }

    /// Returns true if one of the directives with the given targets makes `directive` superfluous.
    fn covers(&self, targets: Targets<'a>, directive: &DirectiveRef<'a>) -> bool {
        let last = self.last.get(&targets).copied();
        std::iter::successors(last, |&position| self.before[position])
            .take(MAX_COMPARED)
            .any(|position| covers(&self.directives[position], directive))
    }
}

/// Returns true if `first` makes `other` superfluous for each request that matches both directives.
fn covers(first: &DirectiveRef<'_>, other: &DirectiveRef<'_>) -> bool {
    first.level >= other.level
        && first.ring_buffer >= other.ring_buffer
        && first.capture >= other.capture
        // A request that is sampled at one rate is also sampled at each higher rate.
        && first.sample_per_mille >= other.sample_per_mille
        && first.expires_at >= other.expires_at
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Targets<'a> {
    tenant: Option<&'a str>,
    index: Option<&'a str>,
    principal: Option<&'a str>,
    endpoint: Option<EndpointKind>,
}

impl<'a> Targets<'a> {
    fn of(directive: &DirectiveRef<'a>) -> Self {
        Self {
            tenant: directive.tenant,
            index: directive.index,
            principal: directive.principal,
            endpoint: directive.endpoint,
        }
    }

    /// Returns a bit mask with one bit for each target field that the directive uses.
    fn bits(&self) -> u16 {
        u16::from(self.tenant.is_some())
            | u16::from(self.index.is_some()) << 1
            | u16::from(self.principal.is_some()) << 2
            | u16::from(self.endpoint.is_some()) << 3
    }

    /// Returns a copy with only those targets whose bits are set in the given bit mask.
    fn only(&self, bits: u16) -> Self {
        Self {
            tenant: self.tenant.filter(|_| bits & 1 != 0),
            index: self.index.filter(|_| bits & 2 != 0),
            principal: self.principal.filter(|_| bits & 4 != 0),
            endpoint: self.endpoint.filter(|_| bits & 8 != 0),
        }
    }
}
