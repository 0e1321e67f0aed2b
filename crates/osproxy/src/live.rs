//! Which directives of a set the peer gets, and in which order.
//!
//! The peer asks each directive of its set three times for each request: for the level
//! all of them, for the ring buffer and for capture up to the first that applies. So
//! it gets none that cannot change an answer before the next time we look: not one
//! that has expired or not started, that asks for nothing or samples nothing, or that
//! another makes superfluous. And those that end a scan come first.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::Timestamp;
use osproxy_observe as peer;

use super::clocks::Reading;
use super::convert;
use opensearch_directives::{DiagLevel, DirectiveRef, DirectiveSet, EndpointKind};

/// With how many others of the same targets one is compared. Beyond that it may be
/// kept though it is superfluous; else many of the same targets would take for ever.
const COMPARED: usize = 32;

/// What a set comes down to at an instant.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) directives: Vec<peer::DiagnosticsDirective>,
    /// When the next one starts or expires: it holds until then.
    pub(super) next_change: Option<Timestamp>,
}

impl Live {
    pub(super) fn of(set: &DirectiveSet, now: &Reading) -> Self {
        let mut next_change = None;
        let mut active = Vec::new();
        for directive in set.iter().filter(|directive| can_matter(directive, now)) {
            match directive.starts_at {
                Some(start) if start > now.wall() => sooner(&mut next_change, start),
                _ => active.push(directive),
            }
        }
        let mut kept = without_superfluous(active);
        for directive in &kept {
            sooner(&mut next_change, directive.expires_at);
        }
        // Stable: among those that end a scan, the ones that match most come first.
        kept.sort_by_key(|directive| !(directive.ring_buffer || directive.capture));
        Self {
            directives: kept
                .into_iter()
                .filter_map(|directive| convert::directive(directive, now))
                .collect(),
            next_change,
        }
    }
}

/// Whether it can change an answer now or later.
fn can_matter(directive: &DirectiveRef<'_>, now: &Reading) -> bool {
    let asks = directive.level > DiagLevel::Off || directive.ring_buffer || directive.capture;
    asks && directive.sample_per_mille > 0 && now.wall() < directive.expires_at
}

fn sooner(next: &mut Option<Timestamp>, then: Timestamp) {
    *next = Some(next.map_or(then, |next| next.min(then)));
}

/// Leaves out each directive for which another one matches whatever it matches, asks
/// for as much, samples as many and lasts as long.
fn without_superfluous(mut directives: Vec<DirectiveRef<'_>>) -> Vec<DirectiveRef<'_>> {
    // Whoever makes another superfluous is then before it.
    directives.sort_by_key(|directive| {
        (
            Targets::of(directive).names().count_ones(),
            Reverse(directive.level),
            Reverse(u8::from(directive.ring_buffer) + u8::from(directive.capture)),
            Reverse(directive.sample_per_mille),
            Reverse(directive.expires_at),
        )
    });
    let mut kept = Kept::default();
    for directive in directives {
        kept.add(directive);
    }
    kept.directives
}

#[derive(Default)]
struct Kept<'a> {
    directives: Vec<DirectiveRef<'a>>,
    /// For each of them, the one before with the same targets.
    before: Vec<Option<usize>>,
    /// The last with these targets.
    last: HashMap<Targets<'a>, usize>,
    /// Which combinations of targets there are, a bit each.
    combinations: u16,
}

impl<'a> Kept<'a> {
    fn add(&mut self, directive: DirectiveRef<'a>) {
        let targets = Targets::of(&directive);
        let names = targets.names();
        let is_superfluous = (0..16)
            .filter(|fewer| fewer & !names == 0 && self.combinations >> fewer & 1 == 1)
            .any(|fewer| self.covers(targets.only(fewer), &directive));
        if is_superfluous {
            return;
        }
        let place = self.directives.len();
        self.directives.push(directive);
        self.before.push(self.last.insert(targets, place));
        self.combinations |= 1 << names;
    }

    /// Whether one with these targets makes the directive superfluous.
    fn covers(&self, targets: Targets<'a>, directive: &DirectiveRef<'a>) -> bool {
        let last = self.last.get(&targets).copied();
        std::iter::successors(last, |&place| self.before[place])
            .take(COMPARED)
            .any(|place| outdoes(&self.directives[place], directive))
    }
}

/// Whether, where both match, the one gives whatever the other does.
fn outdoes(one: &DirectiveRef<'_>, other: &DirectiveRef<'_>) -> bool {
    one.level >= other.level
        && one.ring_buffer >= other.ring_buffer
        && one.capture >= other.capture
        // Who is in a sample is in every larger one.
        && one.sample_per_mille >= other.sample_per_mille
        && one.expires_at >= other.expires_at
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

    /// Which are set, a bit each.
    fn names(&self) -> u16 {
        u16::from(self.tenant.is_some())
            | u16::from(self.index.is_some()) << 1
            | u16::from(self.principal.is_some()) << 2
            | u16::from(self.endpoint.is_some()) << 3
    }

    /// Only those that are named.
    fn only(&self, names: u16) -> Self {
        Self {
            tenant: self.tenant.filter(|_| names & 1 != 0),
            index: self.index.filter(|_| names & 2 != 0),
            principal: self.principal.filter(|_| names & 4 != 0),
            endpoint: self.endpoint.filter(|_| names & 8 != 0),
        }
    }
}
