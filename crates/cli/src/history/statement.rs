//! Writes the last sentence of `directives history verify`, which an auditor can quote: whether
//! every operation is recorded, whether the history is intact, and whether the authors are
//! contradicted.

use opensearch_directives::history::{BackingIndex, Gap, Verification};

use super::verified_authors::Authors;
use crate::instant::to_the_second;
use crate::report_wording::{count, verb};

pub(super) fn statement(found: &Verification, authors: &Authors<'_>) -> String {
    let at = to_the_second(found.verified_at);
    let (name, history) = (&found.index, &found.history);
    let recorded: u64 = found.indices.iter().map(|ledger| ledger.recorded).sum();
    let is = verb(recorded, "is", "are");
    let recorded = count(recorded, "operation");
    let forged = forged(found);
    let intact = if forged.is_empty() {
        "is append-only and intact"
    } else {
        "is append-only, and no record was changed"
    };
    let mut statement = if !found.stream.is_intact() {
        let damage = damage(found).join(", and ");
        format!(
            "As of {at}, {history} is not intact, so its records prove nothing about {name}: {damage}"
        )
    } else if found.is_complete() {
        let since = found.indices.last().and_then(|ledger| ledger.created_at);
        let since = since.map_or(String::new(), |since| {
            format!(" since the index was created at {}", to_the_second(since))
        });
        format!(
            "As of {at}, every operation on {name}{since} is recorded ({recorded}), and {history} \
             {intact}"
        )
    } else {
        let lacks = lacks(found).join(", and ");
        format!(
            "As of {at}, the history of {name} has gaps: {recorded} {is} recorded, and {lacks}; \
             {history} {intact}"
        )
    };
    if !forged.is_empty() {
        statement = format!("{statement}; {}", forged.join(", and "));
    }
    if let Some(authors) = authors.clause() {
        statement = format!("{statement}; {authors}");
    }
    statement + "."
}

/// Describes what remains uncertain because of records that somebody may have forged. Everybody
/// with the permission to append records can append a forged record, so a forged record must not
/// make the other records worthless.
fn forged(found: &Verification) -> Vec<String> {
    let (disagree, unreadable) = (found.contradictions.len(), found.unreadable.len());
    let mut forged = Vec::new();
    if disagree > 0 {
        forged.push(format!(
            "records disagree about {}, so they do not prove what happened with {}",
            count(disagree as u64, "number"),
            verb(disagree as u64, "it", "them")
        ));
    }
    if unreadable > 0 {
        forged.push(format!(
            "{} cannot be read, because {} forged or appended by a later version",
            count(unreadable as u64, "record"),
            verb(unreadable as u64, "it is", "they are")
        ));
    }
    forged
}

/// Describes the signs that somebody has changed or removed a record of the history.
fn damage(found: &Verification) -> Vec<String> {
    let backing = &found.stream.backing;
    let editable = backing.iter().filter(|index| !index.append_only).count();
    let changed = |index: &&BackingIndex| index.records != index.operations;
    let changed = backing.iter().filter(changed).count();
    let mut damage = Vec::new();
    if editable > 0 {
        let verb = verb(editable as u64, "permits", "permit");
        damage.push(format!(
            "{editable} of {} {verb} edits and deletions",
            indices(backing.len())
        ));
    }
    if changed > 0 {
        let verb = verb(changed as u64, "lacks", "lack");
        damage.push(format!(
            "{changed} of {} {verb} a record that was edited or deleted",
            indices(backing.len())
        ));
    }
    damage
}

pub(super) fn indices(number: usize) -> String {
    format!("{number} backing {}", verb(number, "index", "indices"))
}

/// Returns phrases that name what the history lacks, such as missing numbers, for the last sentence
/// of the report.
fn lacks(found: &Verification) -> Vec<String> {
    let gaps = found.indices.iter().flat_map(|ledger| &ledger.gaps);
    let missing = gaps.clone().filter_map(Gap::operations);
    // The sum saturates instead of overflowing, because forged records can claim arbitrary numbers.
    let missing = missing.fold(0, u64::saturating_add);
    let open = gaps.filter(|gap| gap.last.is_none()).count();
    let mut lacks = Vec::new();
    if missing > 0 {
        let numbers = count(missing, "assigned number");
        let has = verb(missing, "has", "have");
        let deletions = found.indices.iter().map(|ledger| ledger.deletions_in_gaps);
        let deletions = match deletions.fold(0, u64::saturating_add) {
            0 => String::new(),
            1 => " (one can belong to a deletion that is recorded without its number)".to_owned(),
            more => {
                format!(" ({more} can belong to deletions that are recorded without their numbers)")
            }
        };
        lacks.push(format!("{numbers} {has} no record{deletions}"));
    }
    if open > 0 {
        let indices = verb(open, "index", "indices");
        lacks.push(format!("the end of {open} former {indices} is not known"));
    }
    let jumps = found
        .indices
        .iter()
        .flat_map(|ledger| &ledger.version_jumps);
    if jumps.filter(|jump| jump.across_reassigned_numbers).count() > 0 {
        lacks.push("operations are missing whose numbers were assigned again".to_owned());
    }
    lacks
}
