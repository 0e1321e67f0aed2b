//! Tests that a snapshot survives a round trip, and that changed JSON is refused.

#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::snapshot::SnapshotErrorKind;
use crate::{BuildError, DiagLevel, DiagnosticsDirective, DirectiveMatch, EndpointKind};

fn now() -> Timestamp {
    "2030-01-01T12:00:00Z".parse().unwrap()
}

fn snapshot() -> Snapshot {
    let expires_at = "2030-01-01T12:15:00.000000001Z".parse().unwrap();
    let set = DirectiveSet::from_directives(vec![
        DiagnosticsDirective::new("a\"", DiagLevel::ShapeTiming, expires_at)
            .with_match(
                DirectiveMatch::all()
                    .for_tenant("acme\n")
                    .for_index("i")
                    .for_principal("p")
                    .for_endpoint(EndpointKind::Count),
            )
            .with_sample_per_mille(7)
            .with_starts_at("2030-01-01T11:00:00Z".parse().unwrap())
            .with_ring_buffer(true)
            .with_capture(true),
        DiagnosticsDirective::new("b", DiagLevel::Off, expires_at),
    ]);
    let limits = DecodeLimits {
        now: now(),
        max_ttl: Duration::MAX,
    };
    let rejection = decode_document("bad", r#"{"level":"Shape","tenant":42}"#, &limits);
    Snapshot {
        digest: set.digest(),
        set,
        signatures: Arc::default(),
        revision: Some(Revision {
            index: "directives-1".to_owned(),
            uuid: "u".to_owned(),
            documents: 3,
            max_seq_no: Some(9),
            sum_seq_no: u64::MAX,
            updated_at: Some(now()),
        }),
        rejections: vec![rejection.unwrap_err()],
        revoked: 5,
        read_at: Some(now()),
    }
}

fn json() -> String {
    snapshot().to_json().unwrap().get().to_owned()
}

#[test]
fn a_snapshot_survives_a_round_trip() {
    let wrote = snapshot();
    let later = now() + jiff::SignedDuration::from_secs(3);
    let read = Snapshot::from_json(&json(), 2, later).unwrap();
    assert!(read.is_same_as(&wrote));
    assert!(read.set.iter().eq(wrote.set.iter()));
    assert_eq!((read.read_at, read.revoked), (Some(later), 5));
}

#[test]
fn p1_an_incomplete_or_changed_snapshot_is_refused() {
    let good = json();
    for (from, to) in [
        ("acme", "acne"),
        ("\"tenant\":\"acme\\n\",", ""),
        ("\"tenant\":\"acme\\n\"", "\"tenant\":null"),
        ("12:15:00.000000001Z", "12:15:01Z"),
        ("\"sample_per_mille\":7", "\"sample_per_mille\":8"),
        ("\"id\":\"b\"", "\"id\":\"a\\\"\""),
        ("\"id\":\"b\",", ""),
        ("\"ring_buffer\":true", "\"ring_buffers\":true"),
        ("\"targets\":[],", ""),
        ("\"tenant\",\"index\"", "\"index\""),
        ("\"revoked\":false", "\"revoked\":true"),
        (",\"revoked\":false", ""),
        ("\"starts_at\":\"2030-01-01T11:00:00Z\",", ""),
        ("\"rejected\":", "\"refused\":"),
        ("{\"digest\"", "{\"more\":1,\"digest\""),
        (",\"revoked\":5}", "}"),
        ("\"revoked\":5}", "\"revoked\":5"),
    ] {
        assert!(good.contains(from), "{from} is not in {good}");
        Snapshot::from_json(&good.replacen(from, to, 1), 2, now()).unwrap_err();
    }
    let dark = Snapshot::default().to_json().unwrap();
    Snapshot::from_json(dark.get(), 2, now()).unwrap_err();
    let forged = good.replace("\"id\":\"b\"", r#""id":"b\n\u001b[2J\u202e""#);
    let forged = forged.replace(":\"Off\"", ":\"On\"");
    let error = Snapshot::from_json(&forged, 2, now()).unwrap_err();
    assert_eq!(
        error.to_string(),
        r"the directive b\u{a}\u{1b}[2J\u{202e} is refused"
    );
    let error = Snapshot::from_json(&good, 1, now()).unwrap_err();
    assert_eq!(error.kind(), SnapshotErrorKind::TooManyDirectives);
    assert!(error.to_string().contains("2 directives"), "{error}");
}

#[test]
fn a_snapshot_that_is_too_large_for_a_set_is_not_called_one_with_a_repeated_directive() {
    let error = SnapshotError::of_build(BuildError::too_large());
    assert_eq!(error.kind(), SnapshotErrorKind::TooManyDirectives);
    assert!(!error.to_string().contains("twice"), "{error}");
    let twice = ["b", "b"].into_iter().map(|id| {
        DiagnosticsDirective::new(id, DiagLevel::Off, "2030-01-01T12:15:00Z".parse().unwrap())
    });
    let mut builder = DirectiveSetBuilder::with_capacity(2);
    twice.for_each(|directive| builder.push(directive.as_ref()));
    let error = SnapshotError::of_build(builder.build_by_id().unwrap_err());
    assert_eq!(error.kind(), SnapshotErrorKind::WrongDirective);
}
