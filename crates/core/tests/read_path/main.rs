//! Property test: a compiled set makes the same decisions as a scan over its directives, and as
//! osproxy-observe 1.0.5. The only known difference is a request without an id: osproxy puts it
//! into every sample of 38 per mille or more, and this crate into no sample below 1000 per mille.
//!
//! The test evaluates each generated set for 500 requests, and counts each comparison as one case.
//! The test generates 2,000 sets, or as many as the environment variable `READ_PATH_SETS` says.

#![allow(clippy::expect_used, reason = "tests")]

mod set_generators;

use std::cell::Cell;

use jiff::Timestamp;
use opensearch_directives_core::{Decision, DirectiveRef, DirectiveSet, RequestAttrs};
use osproxy_core::{PartitionId, PrincipalId, RequestId};
use osproxy_observe as peer;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use set_generators::{Drawn, ENDPOINTS, PEER_ENDPOINTS, directives, instants, peer_instant, texts};

const NOWS_PER_SET: usize = 5;
const REQUESTS_PER_NOW: usize = 100;

/// The possible values in the generated requests, in the types of this crate and of
/// osproxy-observe.
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

    /// Returns a random request, in the types of this crate and of osproxy-observe.
    fn draw(&self, random: &mut fastrand::Rng) -> (RequestAttrs<'_>, peer::RequestAttrs<'_>) {
        let mut text = || match random.u8(..4) {
            0 => random.usize(..self.texts.len()),
            _ => random.usize(..3),
        };
        let (tenant, index, principal) = (text(), text(), text());
        let tenant = (random.u8(..8) != 0).then_some(tenant);
        let endpoint = random.usize(..ENDPOINTS.len());
        let (index_text, principal_text) = (&self.texts[index], &self.texts[principal]);
        let mut attrs = RequestAttrs::new(index_text, principal_text, ENDPOINTS[endpoint]);
        attrs.tenant = tenant.map(|position| self.texts[position].as_str());
        let peer_attrs = peer::RequestAttrs {
            tenant: tenant.map(|position| &self.tenants[position]),
            index: &self.texts[index],
            principal: &self.principals[principal],
            endpoint: PEER_ENDPOINTS[endpoint],
        };
        (attrs, peer_attrs)
    }

    /// Compares a set's decision about a random request with the decisions of a scan and of
    /// osproxy-observe, and returns whether any directive applied.
    fn compare(
        &self,
        random: &mut fastrand::Rng,
        now: usize,
        set: &DirectiveSet,
        peers: &peer::DirectiveSet,
    ) -> Result<bool, TestCaseError> {
        let (attrs, peer_attrs) = self.draw(random);
        let id = &self.ids[random.usize(..self.ids.len())];
        let decision = set.evaluate(&attrs, self.instants[now], id.as_str());
        compare_with_scan(set, &attrs, self.instants[now], id.as_str())?;
        // The test compares decisions about a request without an id only if no directive has a
        // sample rate from 1 to 999, because osproxy-observe can sample such a request.
        let is_sampled = |d: DirectiveRef<'_>| (1..1000).contains(&d.sample_per_mille);
        if !id.as_str().is_empty() || !set.iter().any(is_sampled) {
            let now = peer_instant(now);
            let level = peers.evaluate(&peer_attrs, now, id);
            prop_assert_eq!(decision.level.as_str(), level.as_str());
            let ring_buffer = peers.wants_ring_buffer(&peer_attrs, now, id);
            prop_assert_eq!(decision.ring_buffer, ring_buffer);
            prop_assert_eq!(decision.capture, peers.wants_capture(&peer_attrs, now, id));
        }
        Ok(decision != Decision::default())
    }
}

/// Compares a set's decision about one request, and the reported directives, with the result of a
/// scan over the set.
fn compare_with_scan(
    set: &DirectiveSet,
    attrs: &RequestAttrs<'_>,
    now: Timestamp,
    id: &str,
) -> Result<(), TestCaseError> {
    let applying = set
        .iter()
        .filter(|directive| directive.applies(attrs, now, id));
    let mut scanned = Decision::default();
    let mut ids = Vec::new();
    for directive in applying {
        scanned.level = scanned.level.max(directive.level);
        scanned.ring_buffer |= directive.ring_buffer;
        scanned.capture |= directive.capture;
        ids.push(directive.id);
    }
    let decision = set.evaluate(attrs, now, id);
    prop_assert_eq!(decision, scanned, "{:?} at {} {:?}", attrs, now, id);
    let mut reported = Vec::new();
    let with = set.evaluate_with(attrs, now, id, |directive| reported.push(directive.id));
    prop_assert_eq!(with, decision);
    reported.sort_unstable();
    ids.sort_unstable();
    prop_assert_eq!(reported, ids);
    Ok(())
}

/// How many decisions the test has compared, and for how many of them a directive applied.
#[derive(Default)]
struct Counts {
    cases: Cell<u64>,
    decided: Cell<u64>,
}

/// Compares a set's decisions about random requests, at random instants, with those of a scan and
/// of osproxy-observe.
fn compare_set(
    requests: &Requests,
    directives: &[Drawn],
    random: &mut fastrand::Rng,
    counts: &Counts,
) -> Result<(), TestCaseError> {
    let numbered = directives.iter().enumerate();
    let ours = numbered.map(|(id, drawn)| drawn.ours(id, &requests.texts, &requests.instants));
    let set: DirectiveSet = ours.clone().collect();
    prop_assert!(
        set.iter().map(DirectiveRef::to_directive).eq(ours),
        "the set lists other directives than it was built from"
    );
    for _ in 0..NOWS_PER_SET {
        let now = random.usize(..requests.instants.len());
        let peers = directives
            .iter()
            .filter_map(|drawn| drawn.peers(now, &requests.texts));
        let peers = peer::DirectiveSet::from_directives(peers.collect());
        for _ in 0..REQUESTS_PER_NOW {
            let is_decided = requests.compare(random, now, &set, &peers)?;
            counts.cases.set(counts.cases.get() + 1);
            let decided = counts.decided.get() + u64::from(is_decided);
            counts.decided.set(decided);
        }
    }
    Ok(())
}

#[test]
fn a_compiled_set_decides_like_a_scan_and_like_osproxy() {
    let sets = std::env::var("READ_PATH_SETS").map_or(2_000, |sets| {
        sets.parse().expect("READ_PATH_SETS is a number")
    });
    let requests = Requests::new();
    let counts = Counts::default();
    let strategy = (directives(), any::<u64>());
    let mut runner = TestRunner::new(Config {
        cases: sets,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&strategy, |(directives, seed)| {
        let mut random = fastrand::Rng::with_seed(seed);
        compare_set(&requests, &directives, &mut random, &counts)
    });
    assert!(
        outcome.is_ok(),
        "{}",
        outcome.err().map_or_else(String::new, |e| e.to_string())
    );
    let (cases, decided) = (counts.cases.get(), counts.decided.get());
    println!("{cases} cases, {decided} of them decided");
    // A directive must apply in at least a tenth of the comparisons, so that the test does not
    // compare mostly empty decisions.
    assert!(decided * 10 > cases);
}
