//! Compares replicas with a simple model: a map of documents.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use serde_json::value::RawValue;

use super::super::apply_delta::ChangeSet;
use super::super::document_decoder::DocumentDecoder;
use super::super::replica_builder::ReplicaBuilder;
use super::*;
use crate::rest::{Collect, Hit};
use opensearch_directives_core::document::DecodeLimits;

#[path = "replica_generated_tests.rs"]
mod generated;
#[path = "replica_memory_tests.rs"]
mod memory;

/// The kind of content of a generated document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Valid(u8),
    Revoked,
    Malformed,
}

type Documents = BTreeMap<String, (u64, Kind)>;

fn decoder() -> DocumentDecoder {
    decoder_at("2030-01-01T12:00:00Z")
}

fn decoder_at(now: &str) -> DocumentDecoder {
    let limits = DecodeLimits {
        now: now.parse().unwrap(),
        max_ttl: Duration::from_secs(24 * 60 * 60),
    };
    DocumentDecoder::new(limits, "u", None)
}

fn give(to: &mut impl Collect, id: &str, seq_no: u64, kind: Kind) {
    let source = match kind {
        Kind::Valid(tenant) => format!(
            r#"{{"targets":["tenant"],"level":"Shape","tenant":"t-{tenant}","sample_per_mille":1000,"starts_at":"1970-01-01T00:00:00Z","expires_at":"2030-01-01T13:00:00Z","revoked":false}}"#
        ),
        Kind::Revoked => r#"{"targets":[],"level":"Shape","sample_per_mille":1000,
            "starts_at":"1970-01-01T00:00:00Z","expires_at":"2030-01-01T13:00:00Z",
            "revoked":true,"revoked_at":"2030-01-01T12:00:00Z"}"#
            .to_owned(),
        Kind::Malformed => r#"{"level":42,"expires_at":"2030-01-01T13:00:00Z"}"#.to_owned(),
    };
    let source = RawValue::from_string(source).unwrap();
    let hit = Hit {
        id: id.into(),
        seq_no,
        primary_term: None,
        version: None,
        source: &source,
        sort: None,
    };
    to.take(&hit).unwrap();
}

fn replica(documents: &Documents) -> Replica {
    let mut collector = ReplicaBuilder::new(decoder());
    for (id, &(seq_no, kind)) in documents {
        give(&mut collector, id, seq_no, kind);
    }
    collector.finish().unwrap()
}

/// Asserts that two replicas have the same content.
fn assert_same(one: &Replica, other: &Replica) {
    assert_eq!(one.fingerprint(), other.fingerprint());
    assert_eq!(one.digest(), other.digest());
    assert_eq!(one.digest(), one.set().digest(), "the digest is the set's");
    assert_eq!(one.rejections(), other.rejections());
    assert!(one.seq_nos_by_id().eq(other.seq_nos_by_id()));
    assert!(one.set().iter().eq(other.set().iter()));
}

#[test]
fn numbers_without_a_hole_above_the_low_water_mark_show_that_their_operations_were_applied() {
    let documents = [3, 5, 6, 7, 9].map(|seq_no| (format!("d-{seq_no}"), (seq_no, Kind::Revoked)));
    let replica = replica(&documents.into());
    // The missing `_seq_no` 8 may belong to a replaced version or to a deletion.
    for (mark, contained) in [(4, 7), (5, 7), (6, 7), (7, 7), (8, 9), (9, 9), (12, 12)] {
        assert_eq!(replica.contiguous_after(mark), contained, "{mark}");
    }
    assert_eq!(replica.contiguous_after(u64::MAX), u64::MAX);
}

/// A periodic reconcile reads some documents again although their `_seq_no`s have not changed.
#[test]
fn p11_a_document_that_lost_fields_under_the_same_number_needs_a_full_read() {
    let known = replica(&Documents::from([
        ("accepted".to_owned(), (1, Kind::Valid(0))),
        ("rejected".to_owned(), (2, Kind::Malformed)),
    ]));
    let again = |id: &str, seq_no, kind| {
        let mut changes = ChangeSet::new(decoder());
        give(&mut changes, id, seq_no, kind);
        changes
    };
    assert!(again("accepted", 1, Kind::Malformed).is_incomplete_since(&known));
    assert!(!again("accepted", 1, Kind::Valid(0)).is_incomplete_since(&known));
    assert!(!again("rejected", 2, Kind::Malformed).is_incomplete_since(&known));
    // After the clock was set back, the expiry of an accepted document can be too far in the
    // future, which does not suggest hidden fields.
    let mut earlier = ChangeSet::new(decoder_at("2029-12-01T00:00:00Z"));
    give(&mut earlier, "accepted", 1, Kind::Valid(0));
    assert!(!earlier.is_incomplete_since(&known));
}

/// A document that was rejected because its expiry was too far in the future becomes acceptable
/// after enough time has passed.
#[test]
fn a_rejected_document_that_is_acceptable_later_is_applied_under_the_same_number() {
    let read = |decoder: DocumentDecoder| {
        let mut collector = ReplicaBuilder::new(decoder);
        give(&mut collector, "a", 1, Kind::Valid(0));
        collector.finish().unwrap()
    };
    let known = read(decoder_at("2029-12-01T00:00:00Z"));
    assert_eq!((known.set().len(), known.rejected()), (0, 1));
    let mut changes = ChangeSet::new(decoder());
    give(&mut changes, "a", 1, Kind::Valid(0));
    assert_same(&changes.apply_to(&known).unwrap(), &read(decoder()));
}

#[test]
fn p1_a_repeated_document_is_refused() {
    for kinds in [
        [Kind::Valid(0), Kind::Valid(1)],
        [Kind::Valid(0), Kind::Malformed],
        [Kind::Revoked, Kind::Malformed],
    ] {
        let mut collector = ReplicaBuilder::new(decoder());
        let mut repeated = false;
        for (seq_no, kind) in (0..).zip(kinds) {
            let source = match kind {
                Kind::Malformed => "{}",
                _ => {
                    r#"{"targets":[],"level":"Shape","sample_per_mille":1000,"starts_at":"1970-01-01T00:00:00Z","expires_at":"2030-01-01T13:00:00Z","revoked":false}"#
                }
            };
            let source = RawValue::from_string(source.to_owned()).unwrap();
            let hit = Hit {
                id: "a".into(),
                seq_no,
                primary_term: None,
                version: None,
                source: &source,
                sort: None,
            };
            repeated |= collector.take(&hit).is_err();
        }
        assert!(repeated || collector.finish().is_err(), "{kinds:?}");
    }
}

#[test]
fn a_fingerprint_agrees_only_with_the_same_sums() {
    let fingerprint = Fingerprint::of([3, 4, 9].into_iter());
    let sums = Aggregates {
        documents: 3,
        max_seq_no: Some(9),
        sum_seq_no: 16,
        updated_at: None,
    };
    assert!(fingerprint.agrees_with(&sums));
    for other in [
        Aggregates {
            documents: 2,
            ..sums
        },
        Aggregates {
            max_seq_no: Some(8),
            ..sums
        },
        Aggregates {
            max_seq_no: None,
            ..sums
        },
        Aggregates {
            sum_seq_no: 15,
            ..sums
        },
    ] {
        assert!(!fingerprint.agrees_with(&other), "{other:?}");
    }
    let empty = Aggregates {
        documents: 0,
        max_seq_no: None,
        sum_seq_no: 0,
        updated_at: None,
    };
    assert!(Fingerprint::default().agrees_with(&empty));
}
