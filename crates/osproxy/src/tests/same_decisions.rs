//! Property tests: osproxy makes the same decisions with the converted directives as this project
//! with all directives.

use std::collections::BTreeSet;

use osproxy_core::ManualClock;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::clock_pair::ClockPair;
use crate::decisive_directives::DecisiveDirectives;
use opensearch_directives::{DiagLevel, DiagnosticsDirective, DirectiveMatch};

const TEXTS: [&str; 3] = ["acme", "acmf", ""];
const ENDPOINTS: [EndpointKind; 2] = [EndpointKind::Search, EndpointKind::IngestDoc];
/// The sample rates of the generated directives, in per mille.
const SAMPLES: [u16; 7] = [0, 1, 400, 500, 999, 1000, u16::MAX];
/// The starts and expiries of the generated directives, in nanoseconds of the wall clock. Some of
/// the generated instants are adjacent, so that the test detects a wrong comparison (`<` instead of
/// `<=`).
const TIMES: [i64; 12] = [-5, 0, 1, 49, 50, 51, 99, 100, 101, 102, 150, 1_000];

fn directive() -> impl Strategy<Value = DiagnosticsDirective> {
    let text = || proptest::option::weighted(0.35, select(&TEXTS[..]));
    (
        (
            text(),
            text(),
            text(),
            proptest::option::weighted(0.3, select(&ENDPOINTS[..])),
        ),
        (select(DiagLevel::ALL), select(&SAMPLES[..])),
        proptest::option::weighted(0.4, select(&TIMES[..])),
        prop_oneof![8 => select(&TIMES[..]).prop_map(at), 1 => Just(Timestamp::MAX)],
        any::<(bool, bool)>(),
    )
        .prop_map(|(targets, (level, sample), start, expires_at, flags)| {
            let mut match_ = DirectiveMatch::all();
            match_.tenant = targets.0.map(str::to_owned);
            match_.index = targets.1.map(str::to_owned);
            match_.principal = targets.2.map(str::to_owned);
            match_.endpoint = targets.3;
            let mut directive = DiagnosticsDirective::new("any", level, expires_at)
                .with_match(match_)
                .with_sample_per_mille(sample)
                .with_ring_buffer(flags.0)
                .with_capture(flags.1);
            directive.starts_at = start.map(at);
            directive
        })
}

fn request() -> impl Strategy<Value = Request<'static>> {
    // Each generated request has an id, because only osproxy samples requests without an id.
    let ids = select(vec![
        "request-1",
        "request-2",
        "request-3",
        "r",
        "0000-ffff",
    ]);
    (
        proptest::option::weighted(0.9, select(&TEXTS[..])),
        select(&TEXTS[..]),
        select(&TEXTS[..]),
        select(&ENDPOINTS[..]),
        ids,
    )
        .prop_map(|(tenant, index, principal, endpoint, id)| Request {
            tenant,
            index,
            principal,
            endpoint,
            id,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    /// Until the next start or expiry, osproxy's converted set makes the same decisions as the
    /// original set. If the next conversion is late, newly started directives do not apply yet, but
    /// expiries are still exact to the nanosecond.
    #[test]
    fn osproxy_decides_as_evaluate_and_no_directive_outlives_its_expiry(
        directives in prop::collection::vec(directive(), 0..40),
        requests in prop::collection::vec(request(), 8),
        converted_at in 0_u64..160,
        ahead in select(vec![0_i64, 7, 1_000_000_000]),
    ) {
        let clock = TestClock::default();
        clock.jump(ahead);
        // The starts and expiries of the generated directives are relative to the start of the test
        // clock.
        let shifted = |time: Timestamp| match time {
            time if time == Timestamp::MAX => time,
            time => at(i64::try_from(time.as_nanosecond()).unwrap() + ahead),
        };
        let directives: Vec<DiagnosticsDirective> = directives.into_iter().map(|mut directive| {
            directive.starts_at = directive.starts_at.map(shifted);
            directive.expires_at = shifted(directive.expires_at);
            directive
        }).collect();
        clock.manual.advance(nanos(converted_at));
        let began = clock.today();
        let started = directives.iter().filter(|d| d.starts_at.is_none_or(|s| s <= began)).cloned();
        let started = DirectiveSet::from_directives(started.collect());
        let all = DirectiveSet::from_directives(directives);

        let decisive = DecisiveDirectives::of(&all, &ClockPair::read(&clock));
        let next_change = decisive.next_change;
        let set = osproxy_observe::DirectiveSet::from_directives(decisive.directives);

        let mut changed = false;
        while clock.manual.unix_nanos() < 160 {
            for request in &requests {
                let decision = request.peers(&set, clock.now());
                let now = clock.today();
                prop_assert_eq!(decision, request.ours(&started, now), "{:?} at {}", request, now);
                if next_change.is_none_or(|next| now < next) {
                    prop_assert!(!changed);
                    prop_assert_eq!(decision, request.ours(&all, now), "{:?} at {}", request, now);
                } else {
                    changed = true;
                }
            }
            clock.manual.advance(nanos(1));
        }
    }

    /// osproxy's set contains no directive twice, and each of its directives can change a decision.
    #[test]
    fn only_decisive_directives_are_published_and_each_once(
        directives in prop::collection::vec(directive(), 0..40),
        converted_at in 0_u64..160,
    ) {
        let clock = ManualClock::new();
        clock.advance(nanos(converted_at));
        let set = DirectiveSet::from_directives(directives.iter().chain(&directives).cloned().collect());
        let decisive = DecisiveDirectives::of(&set, &ClockPair::read(&clock));
        for directive in &decisive.directives {
            prop_assert!(directive.expires_at > clock.now());
            prop_assert!(directive.sample_per_mille > 0);
        }
        let facts: BTreeSet<String> =
            decisive.directives.iter().map(|directive| format!("{directive:?}")).collect();
        prop_assert_eq!(facts.len(), decisive.directives.len());
        // Directives that can end one of osproxy's scans come first.
        let ends = |d: &peer::DiagnosticsDirective| d.ring_buffer || d.capture;
        prop_assert!(decisive.directives.is_sorted_by_key(|directive| !ends(directive)));
    }
}

#[test]
fn an_expiry_is_the_same_instant_on_both_clocks() {
    let clock = TestClock::default();
    clock.jump(1_900_000_000_123_456_789);
    clock.manual.advance(nanos(77));
    let now = ClockPair::read(&clock);
    let expiry = now.instant_of(at(1_900_000_000_123_457_000));
    assert_eq!(expiry.saturating_duration_since(clock.now()), nanos(134));
    // An expiry in the past is converted to the current instant of the monotonic clock. An expiry
    // beyond the range of osproxy's instants is converted to the last possible instant, which is
    // earlier.
    assert_eq!(now.instant_of(Timestamp::MIN), clock.now());
    let last = clock.now().saturating_add(Duration::MAX);
    assert_eq!(now.instant_of(Timestamp::MAX), last);
}

#[test]
fn a_delay_between_the_two_clock_reads_makes_expiries_earlier() {
    /// A clock that advances by a microsecond with each read.
    #[derive(Debug, Default)]
    struct Slow(ManualClock);
    impl Clock for Slow {
        fn now(&self) -> Instant {
            self.0.advance(nanos(1_000));
            self.0.now()
        }
        fn unix_nanos(&self) -> u64 {
            self.0.advance(nanos(1_000));
            self.0.unix_nanos()
        }
    }
    let clock = Slow::default();
    let pair = ClockPair::read(&clock);
    let absolute = ManualClock::new();
    absolute.advance(nanos(1_000_000));
    assert!(pair.instant_of(at(1_000_000)) < absolute.now());
}

#[test]
fn superfluous_directives_are_omitted() {
    use DiagLevel::{Off, Shape, ShapeTiming};

    let kept = |directives: &[DiagnosticsDirective]| {
        let set = DirectiveSet::from_directives(directives.to_vec());
        let decisive = DecisiveDirectives::of(&set, &ClockPair::read(&ManualClock::new()));
        decisive
            .directives
            .into_iter()
            .map(|directive| directive.id)
            .collect::<Vec<_>>()
    };
    let tenant = |id: &str, level, expiry| {
        DiagnosticsDirective::new(id, level, at(expiry))
            .with_match(DirectiveMatch::all().for_tenant("acme"))
    };
    let all = |id: &str, level, expiry| DiagnosticsDirective::new(id, level, at(expiry));

    assert_eq!(kept(&[tenant("a", Shape, 9), tenant("b", Shape, 9)]), ["a"]);
    assert_eq!(
        kept(&[tenant("short", Shape, 8), tenant("long", Shape, 9)]),
        ["long"]
    );
    assert_eq!(
        kept(&[tenant("a", Shape, 9), all("all", ShapeTiming, 9)]),
        ["all"]
    );
    // Neither directive makes the other superfluous: one matches more requests, and the other one
    // expires later or has a higher level.
    assert_eq!(
        kept(&[tenant("a", Shape, 10), all("all", Shape, 9)]),
        ["all", "a"]
    );
    assert_eq!(
        kept(&[tenant("a", ShapeTiming, 9), all("all", Shape, 9)]),
        ["all", "a"]
    );
    let sampled = all("sampled", Shape, 9).with_sample_per_mille(999);
    assert_eq!(kept(&[tenant("a", Shape, 9), sampled]), ["sampled", "a"]);
    // A directive that can end one of osproxy's scans comes first.
    let tape = tenant("tape", Off, 9).with_ring_buffer(true);
    assert_eq!(kept(&[all("all", Shape, 9), tape]), ["tape", "all"]);
    assert!(kept(&[all("off", Off, 9)]).is_empty());
}
