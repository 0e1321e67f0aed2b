//! Finds out when and with which `_seq_no` a directive was deleted, if a recorder only noticed
//! later that the document was absent.
//!
//! The record of a noticed deletion has a range of `_seq_no`s, and the time at which the recorder
//! noticed the deletion. Other records narrow both ranges: the deletion has none of their
//! `_seq_no`s, and happened after the operations with lower `_seq_no`s and before those with higher
//! `_seq_no`s.

use std::collections::HashMap;

use jiff::Timestamp;

use super::record::Record;

/// What the records show about a deletion without a `_seq_no`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoticedDeletion {
    /// The deletion happened after this time.
    pub(super) after: Timestamp,
    /// The deletion happened before this time.
    pub(super) until: Timestamp,
    /// The lowest and the highest `_seq_no` that the deletion can have; `None` if these `_seq_no`s
    /// are not known.
    pub(super) numbers: Option<(u64, u64)>,
}

/// Returns what the records show about each deletion without a `_seq_no`. The keys of the returned
/// map are the positions of the deletions in `records`.
pub(super) fn noticed_deletions(records: &[Record]) -> HashMap<usize, NoticedDeletion> {
    let noticed = records.iter().enumerate();
    let noticed = noticed.filter(|(_, record)| record.is_noticed_deletion());
    if noticed.clone().next().is_none() {
        return HashMap::new();
    }
    let mut numbered: HashMap<(&str, &str), Vec<&Record>> = HashMap::new();
    let mut of_directive: HashMap<(&str, &str), Vec<&Record>> = HashMap::new();
    for record in records.iter().filter(|one| !one.is_noticed_deletion()) {
        let index = &*record.index_uuid;
        let history = numbered.entry((index, &record.history_uuid)).or_default();
        history.push(record);
        let directive = of_directive.entry((index, &record.directive)).or_default();
        directive.push(record);
    }
    let numbered: HashMap<_, _> = numbered
        .into_iter()
        .map(|(key, records)| (key, Numbered::of(records)))
        .collect();
    let none = Numbered::default();
    noticed
        .map(|(position, record)| {
            let index = &*record.index_uuid;
            let numbered = numbered.get(&(index, &*record.history_uuid));
            let operations = of_directive.get(&(index, &*record.directive));
            let operations = operations.map_or(&[][..], Vec::as_slice);
            let found = noticed_deletion(record, numbered.unwrap_or(&none), operations);
            (position, found)
        })
        .collect()
}

fn noticed_deletion(
    record: &Record,
    numbered: &Numbered,
    operations: &[&Record],
) -> NoticedDeletion {
    let noticed = record.timestamp;
    let numbers = record.seq_no_after.zip(record.seq_no_until);
    let numbers = numbers.map(|(after, until)| numbered.without_recorded(after, until));
    let (mut after, mut until) = (record.deleted_after, noticed);
    if let Some((first, last)) = numbers {
        after = after.max(numbered.latest_before(first).filter(|at| *at <= noticed));
        until = until.min(numbered.earliest_record_after(last).unwrap_or(until));
    }
    // A deletion happened after the last write of its document, so the time of this write is a
    // lower bound.
    let is_before = |operation: &&&Record| {
        let number = operation.seq_no;
        let is_lower = |(_, last): (u64, u64)| number.is_none_or(|number| number <= last);
        operation.timestamp <= noticed && numbers.is_none_or(is_lower)
    };
    let written = operations.iter().filter(is_before);
    let after = after.max(written.map(|operation| operation.timestamp).max());
    NoticedDeletion {
        after: after.unwrap_or(Timestamp::MIN).min(until),
        until,
        numbers,
    }
}

/// The records with a `_seq_no`, of one history of one index.
#[derive(Default)]
struct Numbered {
    /// The `_seq_no`s of the records, in ascending order.
    numbers: Vec<u64>,
    /// For each `_seq_no`, the latest time of the operations up to this `_seq_no`. The pipeline
    /// sets the time of a document before the `_seq_no` is assigned, so higher `_seq_no`s were
    /// assigned after this time.
    latest: Vec<Timestamp>,
    /// For each `_seq_no`, the earliest time at which an operation with this or a higher `_seq_no`
    /// was recorded. An operation is recorded after its `_seq_no` was assigned, so lower `_seq_no`s
    /// were assigned before this time.
    earliest: Vec<Timestamp>,
    /// The first and the last `_seq_no` of each range in which every `_seq_no` has a record.
    ranges: Vec<(u64, u64)>,
}

impl Numbered {
    fn of(records: Vec<&Record>) -> Self {
        let numbered = records.into_iter();
        let mut numbered: Vec<(u64, &Record)> = numbered
            .filter_map(|record| Some((record.seq_no?, record)))
            .collect();
        numbered.sort_by_key(|(number, _)| *number);
        let mut all = Self::default();
        for (number, record) in &numbered {
            let latest = all.latest.last().copied();
            all.numbers.push(*number);
            all.latest
                .push(latest.map_or(record.timestamp, |at| at.max(record.timestamp)));
            match all.ranges.last_mut() {
                Some((_, last)) if *number <= last.saturating_add(1) => *last = *number,
                _ => all.ranges.push((*number, *number)),
            }
        }
        let mut earliest = Timestamp::MAX;
        for (_, record) in numbered.iter().rev() {
            earliest = earliest.min(record.recorded_at);
            all.earliest.push(earliest);
        }
        all.earliest.reverse();
        all
    }

    /// Returns the latest time of the operations with `_seq_no`s below `number`.
    fn latest_before(&self, number: u64) -> Option<Timestamp> {
        let lower = self.numbers.partition_point(|one| *one < number);
        self.latest.get(lower.checked_sub(1)?).copied()
    }

    /// Returns the earliest time at which an operation with a `_seq_no` above `number` was
    /// recorded.
    fn earliest_record_after(&self, number: u64) -> Option<Timestamp> {
        let lower = self.numbers.partition_point(|one| *one <= number);
        self.earliest.get(lower).copied()
    }

    /// Returns the range around `number` in which every `_seq_no` has a record.
    fn range_of(&self, number: u64) -> Option<(u64, u64)> {
        let position = self.ranges.partition_point(|(_, last)| *last < number);
        let range = self.ranges.get(position).copied();
        range.filter(|(first, _)| *first <= number)
    }

    /// Returns the lowest and the highest `_seq_no` without a record that are above `after` and not
    /// above `until`. If every `_seq_no` in the range has a record, returns the whole range.
    fn without_recorded(&self, after: u64, until: u64) -> (u64, u64) {
        let whole = (after.saturating_add(1), until);
        let first = self.range_of(whole.0);
        let first = first.map_or(whole.0, |(_, last)| last.saturating_add(1));
        let last = self.range_of(until);
        let last = last.map_or(until, |(first, _)| first.saturating_sub(1));
        if first <= last { (first, last) } else { whole }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use jiff::SignedDuration;
    use serde_json::{Value, json};

    use super::*;

    fn at(second: i64) -> Timestamp {
        let noon: Timestamp = "2030-01-01T12:00:00Z".parse().unwrap();
        noon + SignedDuration::from_secs(second)
    }

    fn record(fields: &Value) -> Record {
        let mut record = json!({
            "kind": "created", "index_uuid": "I", "history_uuid": "H", "recorded_by": "test",
        });
        for (name, value) in fields.as_object().unwrap() {
            record[name] = value.clone();
        }
        serde_json::from_value(record).unwrap()
    }

    /// Returns the record of a write in the given second, which was recorded one second later.
    fn written(number: u64, directive: &str, second: i64) -> Record {
        record(&json!({
            "@timestamp": at(second), "directive": directive, "primary_term": 1, "seq_no": number,
            "recorded_at": at(second + 1),
        }))
    }

    /// Returns the record of a deletion that was noticed in the given second.
    fn noticed(directive: &str, numbers: (u64, u64), second: i64) -> Record {
        record(&json!({
            "@timestamp": at(second), "kind": "deleted", "directive": directive,
            "seq_no_after": numbers.0, "seq_no_until": numbers.1, "recorded_at": at(second),
        }))
    }

    fn only(records: &[Record]) -> NoticedDeletion {
        let found = noticed_deletions(records);
        assert_eq!(found.len(), 1, "{found:?}");
        *found.values().next().unwrap()
    }

    #[test]
    fn a_noticed_deletion_happened_after_the_last_operation_before_it_and_before_it_was_noticed() {
        let found = only(&[written(3, "z", 0), noticed("z", (3, 9), 100)]);
        assert_eq!((found.after, found.until), (at(0), at(100)));
        assert_eq!(found.numbers, Some((4, 9)));
    }

    #[test]
    fn a_recorder_that_still_saw_the_document_makes_the_range_of_time_smaller() {
        let mut deletion = noticed("z", (3, 4), 100);
        deletion.deleted_after = Some(at(98));
        let found = only(&[written(3, "z", 0), deletion]);
        assert_eq!((found.after, found.until), (at(98), at(100)));
    }

    #[test]
    fn recorded_numbers_make_the_ranges_smaller() {
        // Only `_seq_no` 5 has no record, so it belongs to the deletion.
        let others =
            [4, 6, 7].map(|number| written(number, "q", 10 * i64::try_from(number).unwrap()));
        let records: Vec<Record> = [written(3, "z", 0), noticed("z", (3, 7), 100)]
            .into_iter()
            .chain(others)
            .collect();
        let found = only(&records);
        assert_eq!(found.numbers, Some((5, 5)));
        assert_eq!((found.after, found.until), (at(40), at(61)));
    }

    #[test]
    fn without_numbers_only_the_times_of_the_directive_limit_the_deletion() {
        let mut deletion = noticed("z", (0, 0), 100);
        (deletion.seq_no_after, deletion.seq_no_until) = (None, None);
        let found = only(&[written(3, "z", 7), written(4, "q", 50), deletion]);
        assert_eq!(
            (found.after, found.until, found.numbers),
            (at(7), at(100), None)
        );
    }
}
