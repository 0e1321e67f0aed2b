//! Property test: the compiled set makes the same decisions as a scan over its directives, and as
//! osproxy-observe 1.0.5 for the same directives and request. There is one known difference:
//! osproxy includes a request without an id in every sample of 38 per mille or more, and this crate
//! includes it in no sample.
//!
//! Each generated set is evaluated for 500 requests, and each comparison counts as one case. The
//! number of sets is 2,000, or the value of `READ_PATH_SETS`.

#![allow(clippy::expect_used, reason = "tests")]

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;
use opensearch_directives_core::{
    Decision, DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveRef, DirectiveSet,
    EndpointKind, RequestAttrs,
};
use osproxy_core::{Clock, IndexName, ManualClock, PartitionId, PrincipalId, RequestId};
use osproxy_observe as peer;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const NOWS_PER_SET: usize = 5;
const REQUESTS_PER_NOW: usize = 100;

const ENDPOINTS: [EndpointKind; 3] = [
    EndpointKind::IngestDoc,
    EndpointKind::Search,
    EndpointKind::Unknown,
];
const PEER_ENDPOINTS: [osproxy_core::EndpointKind; 3] = [
    osproxy_core::EndpointKind::IngestDoc,
    osproxy_core::EndpointKind::Search,
    osproxy_core::EndpointKind::Unknown,
];
const PEER_LEVELS: [peer::DiagLevel; 4] = [
    peer::DiagLevel::Off,
    peer::DiagLevel::Shape,
    peer::DiagLevel::ShapeTiming,
    peer::DiagLevel::ShapeRewriteDiff,
];

/// Returns strings with the lengths at which the hash or the encoding of the length changes. The
/// same strings are used for tenant, index and principal.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = ["", "a", "b", "acme", "acmf", "tenant-000123", "ünïcödé"]
        .map(str::to_owned)
        .into();
    texts.extend([16, 17, 63, 64, 300].map(|len| "x".repeat(len)));
    texts
}

/// Returns adjacent instants around every value at which a comparison could be wrong.
fn instants() -> Vec<Timestamp> {
    let second = 1_000_000_000_i128;
    let mut instants: Vec<Timestamp> = [
        i128::from(i64::MIN),
        i128::from(i64::MAX),
        -second,
        0,
        1_900_000_000 * second + 123_456_789,
        Timestamp::MIN.as_nanosecond(),
        Timestamp::MAX.as_nanosecond(),
    ]
    .into_iter()
    .flat_map(|around| (-1..=1).filter_map(move |n| Timestamp::from_nanosecond(around + n).ok()))
    .collect();
    instants.sort();
    instants.dedup();
    instants
}

/// A directive whose fields are positions in the lists above.
#[derive(Clone, Debug)]
struct Drawn {
    tenant: Option<usize>,
    index: Option<usize>,
    principal: Option<usize>,
    endpoint: Option<usize>,
    level: usize,
    sample_per_mille: u16,
    starts_at: Option<usize>,
    expires_at: usize,
    ring_buffer: bool,
    capture: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    // The first texts are drawn most often, so that directives share them and requests match.
    let target =
        || proptest::option::weighted(0.4, prop_oneof![4 => 0..3_usize, 1 => 0..texts().len()]);
    let instants = instants().len();
    let sample = prop_oneof![
        4 => Just(1000_u16),
        2 => prop::sample::select(vec![0, 1, 999, 1001, u16::MAX]),
        4 => 0..1000_u16,
    ];
    (
        (target(), target(), target()),
        proptest::option::weighted(0.3, 0..ENDPOINTS.len()),
        0..4_usize,
        sample,
        proptest::option::weighted(0.2, 0..instants),
        0..instants,
        any::<(bool, bool)>(),
    )
        .prop_map(
            |(texts, endpoint, level, sample_per_mille, starts_at, expires_at, flags)| Drawn {
                tenant: texts.0,
                index: texts.1,
                principal: texts.2,
                endpoint,
                level,
                sample_per_mille,
                starts_at,
                expires_at,
                ring_buffer: flags.0,
                capture: flags.1,
            },
        )
}

impl Drawn {
    fn ours(&self, id: usize, texts: &[String], instants: &[Timestamp]) -> DiagnosticsDirective {
        let text = |position: Option<usize>| position.map(|position| texts[position].clone());
        let mut match_ = DirectiveMatch::all();
        match_.tenant = text(self.tenant);
        match_.index = text(self.index);
        match_.principal = text(self.principal);
        match_.endpoint = self.endpoint.map(|position| ENDPOINTS[position]);
        let mut directive = DiagnosticsDirective::new(
            format!("d-{id}"),
            DiagLevel::ALL[self.level],
            instants[self.expires_at],
        )
        .with_match(match_)
        .with_sample_per_mille(self.sample_per_mille)
        .with_ring_buffer(self.ring_buffer)
        .with_capture(self.capture);
        directive.starts_at = self.starts_at.map(|position| instants[position]);
        directive
    }

    /// Returns the directive in the types of osproxy-observe. Returns `None` if the directive has
    /// not started at this instant, because osproxy-observe has no starts.
    ///
    /// The clock of osproxy-observe returns the position of an instant in the list, which preserves
    /// the order.
    fn peers(&self, now: usize, texts: &[String]) -> Option<peer::DiagnosticsDirective> {
        if self.starts_at.is_some_and(|starts_at| now < starts_at) {
            return None;
        }
        let text = |position: Option<usize>| position.map(|position| texts[position].as_str());
        Some(peer::DiagnosticsDirective {
            id: String::new(),
            match_: peer::DirectiveMatch {
                tenant: text(self.tenant).map(PartitionId::from),
                index: text(self.index).map(IndexName::from),
                principal: text(self.principal).map(PrincipalId::from),
                endpoint: self.endpoint.map(|position| PEER_ENDPOINTS[position]),
            },
            level: PEER_LEVELS[self.level],
            sample_per_mille: self.sample_per_mille,
            expires_at: peer_instant(self.expires_at),
            ring_buffer: self.ring_buffer,
            capture: self.capture,
        })
    }
}

/// The kind of a generated set. The lookup has special paths for some kinds, which are rare among
/// random sets.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Any,
    /// Every directive targets a tenant and nothing else.
    Tenants,
    /// All directives have the same targets.
    OneGroup,
}

impl Kind {
    fn of(self, mut directives: Vec<Drawn>) -> Vec<Drawn> {
        let mut rest = directives.iter_mut();
        match self {
            Self::Any => {}
            Self::Tenants => rest.for_each(|drawn| {
                drawn.tenant = drawn.tenant.or(drawn.index).or(Some(0));
                (drawn.index, drawn.principal, drawn.endpoint) = (None, None, None);
            }),
            Self::OneGroup => {
                if let Some(first) = rest.next() {
                    rest.for_each(|drawn| {
                        (drawn.tenant, drawn.index) = (first.tenant, first.index);
                        (drawn.principal, drawn.endpoint) = (first.principal, first.endpoint);
                    });
                }
            }
        }
        directives
    }
}

fn directives() -> impl Strategy<Value = Vec<Drawn>> {
    let drawn = prop_oneof![
        1 => prop::collection::vec(drawn(), 0..3),
        2 => prop::collection::vec(drawn(), 0..24),
        1 => prop::collection::vec(drawn(), 0..60),
    ];
    let kind = prop_oneof![
        2 => Just(Kind::Any),
        1 => Just(Kind::Tenants),
        1 => Just(Kind::OneGroup),
    ];
    (drawn, kind).prop_map(|(drawn, kind)| kind.of(drawn))
}

fn peer_instant(position: usize) -> osproxy_core::Instant {
    let clock = ManualClock::new();
    clock.advance(Duration::from_nanos(position as u64));
    clock.now()
}

/// The requests that are evaluated, in the types of both implementations.
struct Requests {
    texts: Vec<String>,
    instants: Vec<Timestamp>,
    tenants: Vec<PartitionId>,
    principals: Vec<PrincipalId>,
    ids: Vec<RequestId>,
}

impl Requests {
    fn new() -> Self {
        let texts = texts();
        Self {
            tenants: texts.iter().map(|text| text.as_str().into()).collect(),
            principals: texts.iter().map(|text| text.as_str().into()).collect(),
            ids: (0..64)
                .map(|n| format!("{}request-{n}", "0".repeat(n % 40)))
                .chain([String::new()])
                .map(|id| RequestId::from(id.as_str()))
                .collect(),
            instants: instants(),
            texts,
        }
    }

    /// Compares the decisions about one request, and returns whether any directive applied.
    fn compare(
        &self,
        random: &mut fastrand::Rng,
        now: usize,
        set: &DirectiveSet,
        peers: &peer::DirectiveSet,
    ) -> Result<bool, TestCaseError> {
        let mut text = || match random.u8(..4) {
            0 => random.usize(..self.texts.len()),
            _ => random.usize(..3),
        };
        let (tenant, index, principal) = (text(), text(), text());
        let tenant = (random.u8(..8) != 0).then_some(tenant);
        let endpoint = random.usize(..ENDPOINTS.len());
        let id = &self.ids[random.usize(..self.ids.len())];
        let attrs = RequestAttrs {
            tenant: tenant.map(|position| self.texts[position].as_str()),
            index: &self.texts[index],
            principal: &self.texts[principal],
            endpoint: ENDPOINTS[endpoint],
        };
        let peer_attrs = peer::RequestAttrs {
            tenant: tenant.map(|position| &self.tenants[position]),
            index: &self.texts[index],
            principal: &self.principals[principal],
            endpoint: PEER_ENDPOINTS[endpoint],
        };
        let decision = set.evaluate(&attrs, self.instants[now], id.as_str());

        let mut scanned = Decision::default();
        for directive in set.iter() {
            if directive.applies(&attrs, self.instants[now], id.as_str()) {
                scanned.level = scanned.level.max(directive.level);
                scanned.ring_buffer |= directive.ring_buffer;
                scanned.capture |= directive.capture;
            }
        }
        prop_assert_eq!(decision, scanned, "{:?} at {} {:?}", attrs, now, id);
        let mut reported = Vec::new();
        let with = set.evaluate_with(&attrs, self.instants[now], id.as_str(), |directive| {
            reported.push(directive.id);
        });
        prop_assert_eq!(with, decision);
        reported.sort_unstable();
        let mut applying: Vec<&str> = set
            .iter()
            .filter(|directive| directive.applies(&attrs, self.instants[now], id.as_str()))
            .map(|directive| directive.id)
            .collect();
        applying.sort_unstable();
        prop_assert_eq!(reported, applying);
        if id.as_str().is_empty() {
            // osproxy-observe samples a request without an id. The decisions are equal only if no
            // directive has a sample rate.
            let unsampled =
                |d: &DirectiveRef<'_>| d.sample_per_mille == 0 || d.sample_per_mille >= 1000;
            if !set.iter().all(|directive| unsampled(&directive)) {
                return Ok(decision != Decision::default());
            }
        }

        let now = peer_instant(now);
        prop_assert_eq!(
            decision.level.as_str(),
            peers.evaluate(&peer_attrs, now, id).as_str()
        );
        prop_assert_eq!(
            decision.ring_buffer,
            peers.wants_ring_buffer(&peer_attrs, now, id)
        );
        prop_assert_eq!(decision.capture, peers.wants_capture(&peer_attrs, now, id));
        Ok(decision != Decision::default())
    }
}

#[test]
fn a_compiled_set_decides_like_a_scan_and_like_osproxy() {
    let sets = std::env::var("READ_PATH_SETS").map_or(2_000, |sets| {
        sets.parse().expect("READ_PATH_SETS is a number")
    });
    let requests = Requests::new();
    let cases = Cell::new(0_u64);
    let decided = Cell::new(0_u64);

    let strategy = (directives(), any::<u64>());
    let mut runner = TestRunner::new(Config {
        cases: sets,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&strategy, |(directives, seed)| {
        let set: DirectiveSet = directives
            .iter()
            .enumerate()
            .map(|(id, drawn)| drawn.ours(id, &requests.texts, &requests.instants))
            .collect();
        prop_assert!(
            set.iter().map(DirectiveRef::to_directive).eq(directives
                .iter()
                .enumerate()
                .map(|(id, drawn)| drawn.ours(id, &requests.texts, &requests.instants))),
            "the set lists other directives than it was built from"
        );
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..NOWS_PER_SET {
            let now = random.usize(..requests.instants.len());
            let peers = peer::DirectiveSet::from_directives(
                directives
                    .iter()
                    .filter_map(|drawn| drawn.peers(now, &requests.texts))
                    .collect(),
            );
            for _ in 0..REQUESTS_PER_NOW {
                let is_decided = requests.compare(&mut random, now, &set, &peers)?;
                cases.set(cases.get() + 1);
                decided.set(decided.get() + u64::from(is_decided));
            }
        }
        Ok(())
    });
    assert!(
        outcome.is_ok(),
        "{}",
        outcome.err().map_or_else(String::new, |e| e.to_string())
    );

    println!("{} cases, {} of them decided", cases.get(), decided.get());
    // Without this check, the test could mostly compare empty decisions.
    assert!(decided.get() * 10 > cases.get());
}
