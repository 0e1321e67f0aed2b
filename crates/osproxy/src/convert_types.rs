//! Converts a directive, its level and its endpoint kind from this project's types to the types of
//! osproxy.

use osproxy_core::{IndexName, PartitionId, PrincipalId};
use osproxy_observe as peer;

use super::clock_pair::ClockPair;
use opensearch_directives::{DiagLevel, DirectiveRef, EndpointKind};

/// Converts a directive that has started, or returns `None` if osproxy does not have its level or
/// its endpoint kind. A directive that cannot be converted does not apply in osproxy. The
/// conversion never chooses a similar level or endpoint kind instead, because osproxy could then
/// record more than the operator requested.
pub(super) fn directive(
    ours: DirectiveRef<'_>,
    now: &ClockPair,
) -> Option<peer::DiagnosticsDirective> {
    let endpoint = match ours.endpoint {
        Some(kind) => Some(endpoint(kind)?),
        None => None,
    };
    Some(peer::DiagnosticsDirective {
        id: ours.id.to_owned(),
        match_: peer::DirectiveMatch {
            tenant: ours.tenant.map(PartitionId::from),
            index: ours.index.map(IndexName::from),
            principal: ours.principal.map(PrincipalId::from),
            endpoint,
        },
        level: level(ours.level)?,
        sample_per_mille: ours.sample_per_mille,
        expires_at: now.instant_of(ours.expires_at),
        ring_buffer: ours.ring_buffer,
        capture: ours.capture,
    })
}

fn level(ours: DiagLevel) -> Option<peer::DiagLevel> {
    Some(match ours {
        DiagLevel::Off => peer::DiagLevel::Off,
        DiagLevel::Shape => peer::DiagLevel::Shape,
        DiagLevel::ShapeTiming => peer::DiagLevel::ShapeTiming,
        DiagLevel::ShapeRewriteDiff => peer::DiagLevel::ShapeRewriteDiff,
        _ => return None,
    })
}

/// Converts this project's endpoint kind to osproxy's, or returns `None` for a kind that osproxy
/// does not have.
pub(super) fn endpoint(ours: EndpointKind) -> Option<osproxy_core::EndpointKind> {
    use osproxy_core::EndpointKind as Peer;
    Some(match ours {
        EndpointKind::IngestDoc => Peer::IngestDoc,
        EndpointKind::IngestBulk => Peer::IngestBulk,
        EndpointKind::Search => Peer::Search,
        EndpointKind::MultiSearch => Peer::MultiSearch,
        EndpointKind::Count => Peer::Count,
        EndpointKind::GetById => Peer::GetById,
        EndpointKind::MultiGet => Peer::MultiGet,
        EndpointKind::DeleteById => Peer::DeleteById,
        EndpointKind::DeleteByQuery => Peer::DeleteByQuery,
        EndpointKind::Cursor => Peer::Cursor,
        EndpointKind::Admin => Peer::Admin,
        EndpointKind::Unknown => Peer::Unknown,
        _ => return None,
    })
}
