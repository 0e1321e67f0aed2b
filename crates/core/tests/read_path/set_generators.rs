//! Generates the directive sets of the property test, in the types of this crate and of
//! osproxy-observe.

use std::time::Duration;

use jiff::Timestamp;
use opensearch_directives_core::{DiagLevel, DiagnosticsDirective, DirectiveMatch, EndpointKind};
use osproxy_core::{Clock, IndexName, ManualClock, PartitionId, PrincipalId};
use osproxy_observe as peer;
use proptest::prelude::*;

pub(crate) const ENDPOINTS: [EndpointKind; 3] = [
    EndpointKind::IngestDoc,
    EndpointKind::Search,
    EndpointKind::Unknown,
];
pub(crate) const PEER_ENDPOINTS: [osproxy_core::EndpointKind; 3] = [
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

/// Returns the strings that the generated directives and requests use as tenant, index and
/// principal. Some strings have a length at which the hash function takes another branch, or at
/// which the stored length needs one more byte.
pub(crate) fn texts() -> Vec<String> {
    let mut texts: Vec<String> = ["", "a", "b", "acme", "acmf", "tenant-000123", "ünïcödé"]
        .map(str::to_owned)
        .into();
    texts.extend([16, 17, 63, 64, 300].map(|len| "x".repeat(len)));
    texts
}

/// Returns the possible times of the test: several adjacent instants around each value at which a
/// comparison could be wrong.
pub(crate) fn instants() -> Vec<Timestamp> {
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

/// A generated directive, whose fields are positions in the lists of possible values.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
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
    // The first three strings are generated most often, so that several directives have the same
    // targets and requests match directives.
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
    pub(crate) fn ours(
        &self,
        id: usize,
        texts: &[String],
        instants: &[Timestamp],
    ) -> DiagnosticsDirective {
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

    /// Returns the generated directive in the types of osproxy-observe, or `None` if it has not
    /// started at `now`. Directives of osproxy-observe have no start, so the test leaves out a
    /// directive that has not started.
    ///
    /// In the types of osproxy-observe, the test uses the position of an instant in the list of
    /// instants instead of the instant itself. The positions of the instants have the same order as
    /// the instants, so comparisons have the same results.
    pub(crate) fn peers(&self, now: usize, texts: &[String]) -> Option<peer::DiagnosticsDirective> {
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

/// Whether a generated set is of a special kind, for which the lookup has special code. Random sets
/// are rarely of a special kind, so the test also generates such sets on purpose.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Any,
    /// Every directive of the set targets only a tenant.
    Tenants,
    /// All directives of the set have the same targets.
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

pub(crate) fn directives() -> impl Strategy<Value = Vec<Drawn>> {
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

pub(crate) fn peer_instant(position: usize) -> osproxy_core::Instant {
    let clock = ManualClock::new();
    clock.advance(Duration::from_nanos(position as u64));
    clock.now()
}
