//! Measures the memory that a delta read of 100,000 documents needs.

use super::*;

const MANY: usize = 100_000;

/// Passes the directive with the number `n` to a collector. The id of each test directive has 16
/// bytes, and the name of its tenant has 13 bytes.
fn give_for_tenant(to: &mut impl Collect, n: usize, seq_no: usize, tenant: &str) {
    let source = format!(
        r#"{{"targets":["tenant"],"level":"Shape","tenant":"{tenant}","sample_per_mille":1000,"starts_at":"1970-01-01T00:00:00Z","expires_at":"2030-01-01T13:00:00Z","revoked":false}}"#
    );
    let source = RawValue::from_string(source).unwrap();
    let hit = Hit {
        id: format!("directive-{n:06}").into(),
        seq_no: seq_no as u64,
        primary_term: None,
        version: None,
        source: &source,
        sort: None,
    };
    to.take(&hit).unwrap();
}

/// Returns the number of bytes for each of the 100,000 directives.
fn each(bytes: u64) -> u64 {
    bytes / MANY as u64
}

#[test]
fn a_delta_read_needs_as_little_memory_as_a_full_read() {
    let mut collector = ReplicaBuilder::new(decoder());
    for n in 0..MANY {
        give_for_tenant(&mut collector, n, n, &format!("tenant-{n:06}"));
    }
    let mut replica = collector.finish().unwrap();
    let mut next = MANY;
    // With 1 or 1,000 changes, the new directive set is a patch of the previous one. With 12,000
    // changes, the directive set is built anew.
    for changes in [1, 12_000, 1_000] {
        let mut delta = ChangeSet::new(decoder());
        for n in 0..changes {
            next += 1;
            give_for_tenant(&mut delta, n * 7 % MANY, next, &format!("change-{next:06}"));
        }
        let mut applied = None;
        let used = allocation_counter::measure(|| applied = delta.apply_to(&replica));
        let before = std::mem::replace(&mut replica, applied.unwrap());
        let kept = allocation_counter::measure(|| drop(before));
        let kept = each(kept.bytes_current.unsigned_abs());
        let used = each(used.bytes_max);
        println!("{changes} changes: {used} bytes a directive beside {kept}");
        // Each limit is the memory of a directive in the directive set plus the 8 bytes of its
        // `_seq_no`.
        assert!(kept <= 70 + 8);
        assert!(used <= 105 + 8);
    }
}
