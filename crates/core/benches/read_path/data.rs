//! Generates the directives and the requests of each benchmark case. The module creates each
//! directive and each request twice: in the types of this crate, and in the types of
//! osproxy-observe.

use std::hint::black_box;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use opensearch_directives_core::{
    Decision, DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet, DirectiveStore,
    EndpointKind, RequestAttrs,
};
use osproxy_core::{Clock, Instant, ManualClock, PartitionId, PrincipalId, RequestId};
use osproxy_observe as peer;

use crate::baseline::BaselineSet;

/// The number of different requests that the benchmark creates for each case.
pub const REQUESTS: usize = 1024;

/// One of the situations in which the benchmark measures the read path. The cases differ in what
/// the directives target, and in how many directives each request matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Case {
    /// In the case `NoMatch`, each directive targets a different tenant, but no directive targets
    /// the tenant of a request.
    NoMatch,
    /// In the case `OneMatch`, each directive targets a different tenant, and each request matches
    /// exactly one directive.
    OneMatch,
    /// In the case `AllExpired`, each request matches one directive as in `OneMatch`, but all
    /// directives have expired.
    AllExpired,
    /// In the case `Wildcards`, half of the directives target every request, and each of the other
    /// directives targets one tenant.
    Wildcards,
    /// In the case `Sampled`, each request matches one directive as in `OneMatch`, but each
    /// directive has a sample rate of 50 %.
    Sampled,
}

impl Case {
    pub const ALL: [Self; 5] = [
        Self::NoMatch,
        Self::OneMatch,
        Self::AllExpired,
        Self::Wildcards,
        Self::Sampled,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::NoMatch => "no match",
            Self::OneMatch => "one match",
            Self::AllExpired => "all expired",
            Self::Wildcards => "wildcard-heavy",
            Self::Sampled => "sampled",
        }
    }
}

const NOW: Timestamp = Timestamp::constant(1_900_000_000, 123_456_789);
const LATER: Timestamp = Timestamp::constant(1_900_000_900, 0);
const PRINCIPAL: &str = "svc-checkout";
const INDEX: &str = "orders";

/// Creates one string for each request. The strings are adjacent in memory, so reading the strings
/// causes few cache misses. The strings of a request that a proxy has just parsed are also in the
/// cache. Most cache misses of a measured call therefore come from the directive set. The function
/// never frees the memory of the strings.
fn texts(text: impl Fn(usize) -> String) -> Vec<&'static str> {
    let all: &'static str = (0..REQUESTS).map(&text).collect::<String>().leak();
    let mut rest = all;
    (0..REQUESTS)
        .map(|n| {
            let (text, more) = rest.split_at(text(n).len());
            rest = more;
            text
        })
        .collect()
}

/// The directives of one benchmark case, and the requests that the benchmark evaluates against
/// these directives.
pub struct Data {
    pub ours: Vec<DiagnosticsDirective>,
    pub peers: Vec<peer::DiagnosticsDirective>,
    requests: Box<[Request; REQUESTS]>,
    peer_requests: Box<[PeerRequest; REQUESTS]>,
    now: Timestamp,
    peer_now: Instant,
}

/// The attributes and the id that a proxy parses from a request.
struct Request {
    attrs: RequestAttrs<'static>,
    id: &'static str,
}

/// The attributes and the id of a [`Request`], in the types of osproxy-observe.
struct PeerRequest {
    attrs: peer::RequestAttrs<'static>,
    id: RequestId,
}

impl Data {
    pub fn new(case: Case, directives: usize) -> Self {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(1));
        let before = clock.now();
        clock.advance(Duration::from_secs(1));
        let later = clock.now();
        clock.advance(Duration::from_secs(1));
        let after = clock.now();
        let expired = case == Case::AllExpired;

        let sample = if case == Case::Sampled { 500 } else { 1000 };
        let target = |n: usize| {
            (case != Case::Wildcards || n.is_multiple_of(2)).then(|| format!("tenant-{n:06}"))
        };
        let tenants = texts(|n| match case {
            Case::NoMatch | Case::Wildcards => format!("nobody-{n:06}"),
            // Consecutive requests have the tenants of directives that are far apart in the set.
            _ => format!("tenant-{:06}", n * 7919 % directives.max(1)),
        });
        let ids = texts(|n| format!("3f2b8c1e-7a64-4d0e-9b51-0c2d4e{n:06}"));
        let peer_tenants: Vec<PartitionId> = tenants.iter().map(|&text| text.into()).collect();
        let peer_tenants: &'static [PartitionId] = peer_tenants.leak();
        let principal: &'static PrincipalId = Box::leak(Box::new(PRINCIPAL.into()));
        Self {
            ours: (0..directives)
                .map(|n| {
                    let mut match_ = DirectiveMatch::all();
                    match_.tenant = target(n);
                    DiagnosticsDirective::new(format!("d-{n:06}"), DiagLevel::Shape, LATER)
                        .with_match(match_)
                        .with_sample_per_mille(sample)
                })
                .collect(),
            peers: (0..directives)
                .map(|n| peer_directive(n, target(n), sample, later))
                .collect(),
            requests: Box::new(std::array::from_fn(|n| Request {
                attrs: RequestAttrs::new(INDEX, PRINCIPAL, EndpointKind::Search)
                    .with_tenant(tenants[n]),
                id: ids[n],
            })),
            peer_requests: Box::new(std::array::from_fn(|n| PeerRequest {
                attrs: peer::RequestAttrs {
                    tenant: Some(&peer_tenants[n]),
                    index: INDEX,
                    principal,
                    endpoint: osproxy_core::EndpointKind::Search,
                },
                id: ids[n].into(),
            })),
            now: if expired { LATER } else { NOW },
            peer_now: if expired { after } else { before },
        }
    }

    /// Loads the set from a store of this crate, and evaluates one request against the set.
    #[expect(
        clippy::inline_always,
        reason = "a request handler calls the store directly"
    )]
    #[inline(always)]
    pub fn decide(&self, store: &dyn DirectiveStore, request: usize) -> Decision {
        self.evaluate(&store.load(), request)
    }

    #[expect(
        clippy::inline_always,
        reason = "a request handler calls the store directly"
    )]
    #[inline(always)]
    pub fn evaluate(&self, set: &DirectiveSet, request: usize) -> Decision {
        let Request { attrs, id } = &self.requests[request % REQUESTS];
        set.evaluate(attrs, self.now, id)
    }

    /// Evaluates a request, and passes each directive that applies to a callback.
    pub fn report(&self, set: &DirectiveSet, request: usize) -> Decision {
        let Request { attrs, id } = &self.requests[request % REQUESTS];
        set.evaluate_with(attrs, self.now, id, |directive| {
            black_box(directive.id);
        })
    }

    /// Loads the set, reads the clock, and evaluates one request at the time of the clock. The real
    /// clock is before the expiry of every generated directive.
    pub fn decide_now(&self, store: &dyn DirectiveStore, request: usize) -> Decision {
        let Request { attrs, id } = &self.requests[request % REQUESTS];
        store.load().evaluate(attrs, Timestamp::now(), id)
    }

    /// Loads the set from the store of the baseline, and evaluates one request against the set.
    #[expect(
        clippy::inline_always,
        reason = "a request handler calls the store directly"
    )]
    #[inline(always)]
    pub fn decide_by_baseline(&self, store: &ArcSwap<BaselineSet>, request: usize) -> Decision {
        let Request { attrs, id } = &self.requests[request % REQUESTS];
        store.load().evaluate(attrs, self.now, id)
    }

    /// Loads the set from a store of osproxy-observe, and evaluates one request against the set.
    #[expect(
        clippy::inline_always,
        reason = "a request handler calls the store directly"
    )]
    #[inline(always)]
    pub fn decide_by_peer(
        &self,
        store: &dyn peer::DirectiveStore,
        request: usize,
    ) -> (peer::DiagLevel, bool, bool) {
        self.evaluate_peer(&store.load(), request)
    }

    #[expect(
        clippy::inline_always,
        reason = "a request handler calls the store directly"
    )]
    #[inline(always)]
    pub fn evaluate_peer(
        &self,
        set: &peer::DirectiveSet,
        request: usize,
    ) -> (peer::DiagLevel, bool, bool) {
        let PeerRequest { attrs, id } = &self.peer_requests[request % REQUESTS];
        (
            set.evaluate(attrs, self.peer_now, id),
            set.wants_ring_buffer(attrs, self.peer_now, id),
            set.wants_capture(attrs, self.peer_now, id),
        )
    }
}

/// Returns the given number of stored documents, each as a pair of its id and its JSON.
pub fn documents(directives: usize) -> Vec<(String, String)> {
    (0..directives)
        .map(|n| {
            let source = format!(
                r#"{{"targets":["tenant"],"level":"Shape","tenant":"tenant-{n:06}","sample_per_mille":1000,"ring_buffer":false,"capture":false,"starts_at":"1970-01-01T00:00:00Z","expires_at":"2100-01-01T00:00:00Z","revoked":false}}"#
            );
            (format!("d-{n:06}"), source)
        })
        .collect()
}

/// Returns the directives of [`documents`] as JSON in the format that osproxy-observe reads.
pub fn blob(directives: usize) -> Vec<u8> {
    let entries: Vec<String> = (0..directives)
        .map(|n| {
            format!(
                r#"{{"id":"d-{n:06}","level":"Shape","tenant":"tenant-{n:06}","sample_per_mille":1000,"ring_buffer":false,"capture":false,"ttl_secs":3600}}"#
            )
        })
        .collect();
    format!(r#"{{"directives":[{}]}}"#, entries.join(",")).into_bytes()
}

fn peer_directive(
    n: usize,
    tenant: Option<String>,
    sample_per_mille: u16,
    expires_at: osproxy_core::Instant,
) -> peer::DiagnosticsDirective {
    peer::DiagnosticsDirective {
        id: format!("d-{n:06}"),
        match_: peer::DirectiveMatch {
            tenant: tenant.map(|tenant| tenant.as_str().into()),
            ..peer::DirectiveMatch::default()
        },
        level: peer::DiagLevel::Shape,
        sample_per_mille,
        expires_at,
        ring_buffer: false,
        capture: false,
    }
}
