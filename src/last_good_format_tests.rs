//! Tests that a last-good file is refused if it is incomplete or belongs to another index.

#![allow(clippy::unwrap_used, reason = "tests")]
use std::fs;
use std::time::Duration;

use serde_json::json;

use super::*;
use opensearch_directives_core::document::{Rejection, RejectionReason};
use opensearch_directives_core::internal::SnapshotParts;
use opensearch_directives_core::{
    DiagLevel, DiagnosticsDirective, DirectiveMatch, DirectiveSet, Revision,
};

const NOW: &str = "2030-01-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn limits(max_ttl: Duration) -> DecodeLimits {
    DecodeLimits {
        now: now(),
        max_ttl,
    }
}

fn snapshot() -> Snapshot {
    let set: DirectiveSet = (0..3)
        .map(|n| {
            let expires_at = format!("203{n}-01-01T12:15:00.000000001Z").parse().unwrap();
            DiagnosticsDirective::new(format!("d\"{n}"), DiagLevel::Shape, expires_at)
                .with_match(DirectiveMatch::all().for_tenant("acme\n"))
                .with_sample_per_mille(n)
                .with_capture(true)
        })
        .collect();
    Snapshot::from(SnapshotParts {
        digest: set.digest(),
        set,
        signatures: std::sync::Arc::default(),
        revision: Some({
            let mut revision = Revision::new("directives-1", "u");
            revision.documents = 4;
            revision.max_seq_no = Some(9);
            revision.sum_seq_no = 20;
            revision.updated_at = Some(now());
            revision
        }),
        revoked: 0,
        rejections: Vec::new(),
        read_at: Some(now()),
    })
}

fn written() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last-good");
    write(&LastGoodFile::new(path.clone()), "directives", &snapshot()).unwrap();
    (folder, path)
}

#[test]
fn a_last_good_file_survives_a_round_trip() {
    let (folder, path) = written();
    let read = read(&path, "directives", None, &limits(Duration::MAX)).unwrap();
    let wrote = snapshot();
    assert!(read.is_same_as(&wrote));
    assert!(read.set().iter().eq(wrote.set().iter()));
    assert_eq!(read.read_at(), wrote.read_at());
    // Neither the first nor the second write of the last-good file leaves a temporary file.
    write(&LastGoodFile::new(path.clone()), "directives", &snapshot()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_expiry_in_the_file_is_absolute() {
    let (_folder, path) = written();
    let later = "2050-01-01T00:00:00Z".parse().unwrap();
    let read = read(&path, "directives", None, &limits(Duration::MAX)).unwrap();
    assert!(
        read.set()
            .iter()
            .all(|directive| !directive.is_active(later))
    );
}

#[test]
fn a_directive_beyond_max_ttl_is_rejected_and_the_others_are_restored() {
    let (_folder, path) = written();
    let one_year = limits(Duration::from_secs(366 * 24 * 3600));
    let read = read(&path, "directives", None, &one_year).unwrap();
    assert_eq!(read.set().len(), 2);
    assert_eq!(read.set().digest(), read.digest());
    let rejected: Vec<&str> = read.rejections().iter().map(Rejection::id).collect();
    assert_eq!(rejected, ["d\"2"]);
    assert_eq!(read.rejections()[0].reason(), RejectionReason::BeyondMaxTtl);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path) = written();
    assert_eq!(
        fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_changed_or_missing_byte_is_detected() {
    let (_folder, path) = written();
    let good = fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = read(&path, "directives", None, &limits(Duration::MAX)).unwrap_err();
        assert_eq!(error.kind(), LastGoodErrorKind::Damaged, "{error}");
    };
    for offset in 0..good.len() {
        let mut bad = good.clone();
        bad[offset] ^= 1;
        refused(&bad);
        refused(&good[..offset]);
    }
    refused(&[good.as_slice(), b"\n"].concat());
}

#[test]
fn a_file_of_another_index_or_version_is_refused_with_the_reason() {
    let (_folder, path) = written();
    let error = read(&path, "other", None, &limits(Duration::MAX))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("belongs to the index directives, not other"),
        "{error}"
    );
    let forged =
        json!({"format": FORMAT, "version": VERSION, "index": "a\u{1b}[2J\nb", "read_at": NOW});
    let body = format!("{forged}\n{{}}\n");
    replace(
        &LastGoodFile::new(path.clone()),
        &checksum(body.as_bytes()),
        body.as_bytes(),
    )
    .unwrap();
    let error = read(&path, "directives", None, &limits(Duration::MAX))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(r"belongs to the index a\u{1b}[2J\u{a}b, not"),
        "{error}"
    );
    let body = format!("{{\"format\":\"{FORMAT}\",\"version\":1,\"old\":1}}\n");
    replace(
        &LastGoodFile::new(path.clone()),
        &checksum(body.as_bytes()),
        body.as_bytes(),
    )
    .unwrap();
    let error = read(&path, "directives", None, &limits(Duration::MAX))
        .unwrap_err()
        .to_string();
    assert!(error.contains("format version 1"), "{error}");
    fs::remove_file(&path).unwrap();
    let error = read(&path, "directives", None, &limits(Duration::MAX)).unwrap_err();
    assert_eq!(error.kind(), LastGoodErrorKind::Io);
}
