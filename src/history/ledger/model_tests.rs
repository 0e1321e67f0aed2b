//! Compares the ledger and the past states with a simple model of an index. The model performs
//! random writes and deletions, failovers that lose operations, and re-creations of the index.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// An event in the life of the simulated index. One event happens in each second.
#[derive(Clone, Debug)]
enum Step {
    Write(u8),
    /// A deletion, which gets a `_seq_no` even if the document does not exist.
    Delete(u8),
    /// The cluster forgets the versions of deleted documents.
    Forget,
    /// The primary fails, and the new primary does not have the last operations.
    Failover(u8),
    Recreate,
}

#[derive(Clone, Default)]
struct State {
    /// The `_seq_no` of the operation that wrote each document.
    documents: BTreeMap<u8, u64>,
    versions: BTreeMap<u8, u64>,
}

struct Index {
    uuid: u32,
    created_at: Timestamp,
    term: u64,
    has_operations: bool,
    /// The states of the index before the first and after each of its operations, in order. The
    /// last state is the current state.
    states: Vec<State>,
}

impl Index {
    fn new(uuid: u32, created_at: Timestamp) -> Self {
        Self {
            uuid,
            created_at,
            term: 1,
            has_operations: false,
            states: vec![State::default()],
        }
    }

    fn state(&self) -> &State {
        self.states.last().unwrap()
    }

    fn apply(&mut self, id: u8, deletes: bool, at: Timestamp) -> Entry {
        let number = self.states.len() as u64 - 1;
        let mut state = self.state().clone();
        let version = state.versions.get(&id).map_or(1, |version| version + 1);
        state.versions.insert(id, version);
        if deletes {
            state.documents.remove(&id);
        } else {
            state.documents.insert(id, number);
        }
        self.states.push(state);
        self.has_operations = true;
        Entry {
            index_uuid: format!("uuid-{}", self.uuid),
            number: Number::Exact {
                term: self.term,
                number,
            },
            version: Some(version),
            directive: format!("d{id}"),
            at,
            deletes,
        }
    }
}

/// All operations and states of one run of the model.
struct Played {
    /// All operations, in chronological order.
    operations: Vec<Entry>,
    /// For each second: the uuid of the index, and the documents that existed at the end of this
    /// second, with their `_seq_no`s.
    truth: Vec<(String, Vec<(String, u64)>)>,
    index: Index,
}

fn second(number: usize) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + i64::try_from(number).unwrap()).unwrap()
}

fn play(steps: &[Step]) -> Played {
    let mut index = Index::new(0, second(0));
    let (mut operations, mut truth) = (Vec::new(), Vec::new());
    for (number, step) in steps.iter().enumerate() {
        let at = second(number);
        match step {
            Step::Write(id) => operations.push(index.apply(*id, false, at)),
            Step::Delete(id) => operations.push(index.apply(*id, true, at)),
            Step::Forget => {
                let state = index.states.last_mut().unwrap();
                let documents = &state.documents;
                state.versions.retain(|id, _| documents.contains_key(id));
            }
            Step::Failover(lost) => {
                let kept = (index.states.len() - 1).saturating_sub(usize::from(*lost));
                index.states.truncate(kept + 1);
                index.term += 1;
            }
            // The model does not replace an index without operations, because no record shows that
            // such an index existed.
            Step::Recreate if index.has_operations => index = Index::new(index.uuid + 1, at),
            Step::Recreate => {}
        }
        let documents = index.state().documents.iter();
        truth.push((
            format!("uuid-{}", index.uuid),
            documents
                .map(|(id, number)| (format!("d{id}"), *number))
                .collect(),
        ));
    }
    Played {
        operations,
        truth,
        index,
    }
}

impl Played {
    fn facts(&self) -> IndexFacts {
        let state = self.index.state();
        let documents = state.documents.iter().map(|(id, number)| VisibleDocument {
            directive: format!("d{id}"),
            term: self.term_of(*number),
            number: *number,
            updated_at: None,
        });
        IndexFacts {
            uuid: format!("uuid-{}", self.index.uuid),
            created_at: self.index.created_at,
            max_seq_no: (self.index.states.len() as u64).checked_sub(2),
            documents: documents.collect(),
        }
    }

    /// Returns the primary term of the last operation with the given `_seq_no` on the current
    /// index.
    fn term_of(&self, number: u64) -> u64 {
        let uuid = format!("uuid-{}", self.index.uuid);
        let of_index = self.operations.iter().filter(|one| one.index_uuid == uuid);
        of_index
            .filter_map(Entry::exact)
            .filter(|(_, of)| *of == number)
            .map(|(term, _)| term)
            .max()
            .unwrap()
    }
}

fn steps(failovers: u32) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_u8..4).prop_map(Step::Write),
        3 => (0_u8..4).prop_map(Step::Delete),
        1 => Just(Step::Forget),
        failovers => (0_u8..3).prop_map(Step::Failover),
        1 => Just(Step::Recreate),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #[test]
    fn every_number_is_recorded_or_in_a_gap(
        steps in steps(1),
        recorded in prop::collection::vec(prop::bool::weighted(0.7), 40),
    ) {
        let played = play(&steps);
        let numbered = played.operations.iter().zip(&recorded);
        let kept: Vec<Entry> = numbered
            .filter(|(_, is_recorded)| **is_recorded)
            .map(|(entry, _)| entry.clone())
            .collect();
        let facts = played.facts();
        let ledgers = account(&kept, Some(&facts));
        for operation in &played.operations {
            let number = operation.exact().unwrap().1;
            let is_recorded = kept.iter().any(|one| {
                one.index_uuid == operation.index_uuid && one.exact().unwrap().1 == number
            });
            let ledger = ledgers.iter().find(|one| one.uuid == operation.index_uuid);
            // If no operation of an earlier index is recorded, no ledger exists for this index.
            let Some(ledger) = ledger else {
                prop_assert!(!is_recorded);
                continue;
            };
            let is_lost = ledger.is_current && facts.max_seq_no.is_none_or(|max| number > max);
            let is_in_gap = ledger.gaps.iter().any(|gap| gap.contains(number));
            prop_assert!(is_recorded || is_in_gap || is_lost, "{number}: {ledger:#?}");
        }
    }

    #[test]
    fn the_numbers_of_the_current_index_add_up_without_failovers(
        steps in steps(0),
        recorded in prop::collection::vec(prop::bool::weighted(0.7), 40),
    ) {
        let played = play(&steps);
        let numbered = played.operations.iter().zip(&recorded);
        let kept: Vec<Entry> = numbered
            .filter(|(_, is_recorded)| **is_recorded)
            .map(|(entry, _)| entry.clone())
            .collect();
        let ledgers = account(&kept, Some(&played.facts()));
        let ledger = ledgers.last().unwrap();
        let missing: u64 = ledger.gaps.iter().map(|gap| gap.operations().unwrap()).sum();
        let assigned = ledger.highest.map_or(0, |highest| highest + 1);
        prop_assert_eq!(ledger.recorded + missing, assigned);
        // If a later operation on the same directive is recorded, the evidence of the gap must name
        // the directive.
        for (position, operation) in played.operations.iter().enumerate() {
            let number = operation.exact().unwrap().1;
            let gap = ledger.gaps.iter().find(|gap| gap.contains(number));
            let Some(gap) = gap.filter(|_| operation.index_uuid == ledger.uuid) else { continue };
            let later = played.operations[position + 1..].iter().filter(|later| {
                later.index_uuid == operation.index_uuid && later.directive == operation.directive
            });
            let follows = later.clone().any(|later| kept.contains(later));
            let forgets = steps.iter().any(|step| matches!(step, Step::Forget));
            if follows && !forgets {
                let names = gap.evidence.iter().map(Evidence::directive);
                prop_assert!(names.into_iter().any(|id| id == operation.directive), "{gap:#?}");
            }
        }
    }

    #[test]
    fn a_complete_history_has_no_gap_and_returns_the_truth_of_each_instant(
        steps in steps(1),
        order in any::<u64>(),
    ) {
        let played = play(&steps);
        let facts = played.facts();
        // The ledger must be the same if records are duplicated and reordered, because a record can
        // exist twice after a rollover and records can have any order.
        let mut recorded = played.operations.clone();
        recorded.extend(played.operations.iter().step_by(3).cloned());
        fastrand::Rng::with_seed(order).shuffle(&mut recorded);
        let ledgers = account(&recorded, Some(&facts));
        let ledger = ledgers.last().unwrap();
        let max = ledger.highest.map_or(-1, |highest| i64::try_from(highest).unwrap());
        prop_assert!(ledger.is_complete(), "{ledger:#?}");
        for earlier in &ledgers[..ledgers.len() - 1] {
            let [gap] = &earlier.gaps[..] else { panic!("{earlier:#?}") };
            prop_assert_eq!(gap.last, None);
        }
        let mut failed_over = false;
        for (number, (uuid, documents)) in played.truth.iter().enumerate() {
            // Until the next write, the records do not show which operations a failover lost.
            failed_over = match steps[number] {
                Step::Failover(_) => true,
                Step::Write(_) | Step::Delete(_) | Step::Recreate => false,
                Step::Forget => failed_over,
            };
            let past = state_at(&recorded, Some(&facts), second(number));
            if failed_over || past.may_be_replaced {
                continue;
            }
            let written = |document: &PastDocument| {
                let entry = &recorded[document.written_by];
                (entry.directive.clone(), entry.exact().unwrap().1)
            };
            let mut found: Vec<(String, u64)> = past.documents.iter().map(written).collect();
            found.sort();
            if past.index_uuid.is_some() || !documents.is_empty() {
                prop_assert_eq!(past.index_uuid, Some(uuid.as_str()), "second {}", number);
            }
            prop_assert_eq!(&found, documents, "second {} of {:?}, max {}", number, steps, max);
        }
    }
}
