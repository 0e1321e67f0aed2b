//! `directives history verify`: reports each `_seq_no` of the index for which the history has no
//! record, and ends with a sentence that an auditor can quote.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use opensearch_directives::history::{Gap, History, IndexLedger, StreamState, Verification};
use serde_json::json;
use tokio::time::Instant;

use super::HistoryFormat;
use super::audit_log_check::{AuditLogArgs, Witnessed};
use super::gap_text::{between, concerns, numbers, range};
use super::statement::{indices, statement};
use super::verified_authors::Authors;
use crate::csv;
use crate::duration;
use crate::exit::{Exit, Failure};
use crate::instant::to_the_second;
use crate::output::{print, print_json};
use crate::report_wording::{count, verb};

/// The maximum number of gaps that the text output lists for one index. The JSON output lists all
/// gaps.
const SHOWN: usize = 50;
/// The kinds of operations that may have no record even if recorders ran all the time.
const CAN_BE: &str = "a version that was replaced before a recorder saw it, a deletion (also of an id \
                      that did not exist), or a write that OpenSearch refused after it had assigned \
                      the number";
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
#[command(after_help = "\
Each number that the index assigned belongs to one operation: a write or a deletion, by anybody and
with any tool. The number of an operation that is not recorded is in a gap.

Exit codes of this command:
  0  every operation is recorded, and the history is intact
  9  operations are not recorded
  10 the history is not append-only, records were changed, removed or forged, or a record
     cannot be read and all operations are recorded nevertheless
  11 the history does not exist or cannot be read completely
The codes of `directives --help` apply, too.")]
pub(super) struct VerifyArgs {
    /// If only the newest operations are not recorded yet, wait for their records for this time
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    wait: Duration,
}

pub(super) async fn run(
    history: &History,
    args: &VerifyArgs,
    audit_log: &AuditLogArgs,
    format: HistoryFormat,
) -> Result<Exit, Failure> {
    let deadline = Instant::now() + args.wait;
    let (mut found, mut records) = history.verify_records().await?;
    while found.lacks_only_the_newest() && Instant::now() + PAUSE < deadline {
        tokio::time::sleep(PAUSE).await;
        (found, records) = history.verify_records().await?;
    }
    let witness = audit_log.read(history, &records).await?;
    let records = records.into_iter().map(|record| witness.of(record));
    let records: Vec<Witnessed> = records.collect();
    let authors = Authors::of(&records);
    match format {
        HistoryFormat::Table => super::print_report(&report(&found, &authors))?,
        HistoryFormat::Json => {
            let mut all = serde_json::to_value(&found).map_err(Failure::other)?;
            all["is_complete"] = json!(found.is_complete());
            all["is_intact"] = json!(found.is_intact());
            all["authors"] = authors.json()?;
            all["statement"] = json!(statement(&found, &authors));
            print_json(&all)?;
        }
        HistoryFormat::Csv => print(&gaps_as_csv(&found))?,
    }
    // In the exit code, a gap takes precedence over a record that cannot be decoded, because this
    // record must not hide the gap.
    let is_changed = !found.stream.is_intact() || !found.contradictions.is_empty();
    Ok(if is_changed {
        Exit::HistoryNotIntact
    } else if !found.is_complete() {
        Exit::HistoryGap
    } else if !found.is_intact() {
        Exit::HistoryNotIntact
    } else {
        Exit::Success
    })
}

pub(super) fn report(found: &Verification, authors: &Authors<'_>) -> Vec<String> {
    let mut lines = stream(&found.history, &found.stream);
    for one in &found.contradictions {
        lines.push(format!(
            "  contradiction: records disagree about number {} (term {}) of the index {}",
            one.seq_no, one.primary_term, one.index_uuid
        ));
    }
    for one in found.unreadable.iter().take(SHOWN) {
        lines.push(format!(
            "  unreadable: the record {}: {}",
            one.id, one.problem
        ));
    }
    if found.unreadable.len() > SHOWN {
        let more = found.unreadable.len() - SHOWN;
        lines.push(format!("  and {more} more unreadable records (-o json)"));
    }
    for ledger in &found.indices {
        lines.extend(index(ledger, &found.index, found.verified_at));
    }
    lines.extend(authors.lines());
    lines.push(String::new());
    lines.push(statement(found, authors));
    lines
}

fn stream(name: &str, stream: &StreamState) -> Vec<String> {
    let backing = indices(stream.backing.len());
    let records = count(stream.records(), "record");
    let mut lines = vec![format!("{name}: {records} in {backing}")];
    for index in &stream.backing {
        if !index.append_only {
            lines.push(format!(
                "  not append-only: {} permits edits and deletions",
                index.name
            ));
        }
        if index.records != index.operations {
            lines.push(format!(
                "  changed: {} has {} records after {} operations; a record was edited or deleted",
                index.name, index.records, index.operations
            ));
        }
    }
    if lines.len() == 1 {
        lines.push("  append-only, and each operation on it added a record".to_owned());
    }
    for (first, last) in &stream.deleted_generations {
        let what = if first == last {
            format!("backing index {first} no longer exists")
        } else {
            format!("backing indices {first} to {last} no longer exist")
        };
        lines.push(format!(
            "  {what}; a retention policy or an administrator deleted what is missing"
        ));
    }
    lines
}

fn index(ledger: &IndexLedger, name: &str, now: Timestamp) -> Vec<String> {
    let uuid = &ledger.uuid;
    let mut lines = vec![match ledger.created_at {
        Some(created) => format!(
            "{name} (uuid {uuid}), created at {}",
            to_the_second(created)
        ),
        None => format!("former {name} (uuid {uuid}), which no longer exists"),
    }];
    let assigned = match (ledger.highest, ledger.is_current) {
        (None, _) => "no number was assigned yet".to_owned(),
        (Some(0), true) => "number 0 was assigned".to_owned(),
        (Some(last), true) => format!("{} were assigned", range(0, last)),
        (Some(last), false) => format!("number {last} is the highest recorded one"),
    };
    let recorded = count(ledger.recorded, "operation");
    let is = verb(ledger.recorded, "is", "are");
    lines.push(format!("  {recorded} {is} recorded; {assigned}"));
    if let Some(inherited) = &ledger.inherited {
        lines.push(format!(
            "  restored or cloned from the index with the uuid {}: the numbers up to {} come from it",
            inherited.from, inherited.up_to
        ));
    }
    lines.extend(deletions_without_numbers(ledger));
    lines.extend(changes(ledger));
    for gap in ledger.gaps.iter().take(SHOWN) {
        lines.extend(describe(gap, ledger, now));
    }
    if ledger.gaps.len() > SHOWN {
        lines.push(format!(
            "  and {} more gaps (-o json)",
            ledger.gaps.len() - SHOWN
        ));
    }
    if !ledger.gaps.is_empty() {
        lines.push(format!("  an operation without a record is {CAN_BE}"));
    }
    lines
}

/// Describes the deletions that recorders noticed without learning their `_seq_no`s.
fn deletions_without_numbers(ledger: &IndexLedger) -> Vec<String> {
    let mut lines = Vec::new();
    let explained = ledger.deletions_by_absence;
    if explained == 1 {
        lines.push(
            "  1 of them is a deletion that is recorded without its number; a number without a \
             record belongs to it"
                .to_owned(),
        );
    } else if explained > 1 {
        lines.push(format!(
            "  {explained} of them are deletions that are recorded without their numbers; as many \
             numbers without a record belong to them"
        ));
    }
    let in_gaps = ledger.deletions_in_gaps;
    if in_gaps == 1 {
        lines.push(
            "  1 further deletion is recorded without its number, which is in a gap".to_owned(),
        );
    } else if in_gaps > 1 {
        lines.push(format!(
            "  {in_gaps} further deletions are recorded without their numbers, which are in gaps"
        ));
    }
    lines
}

/// Describes events that interrupt the numbering: new primary terms, operations that the index
/// lost, and jumps in the versions of documents.
fn changes(ledger: &IndexLedger) -> Vec<String> {
    let mut lines = Vec::new();
    for change in &ledger.term_changes {
        let event = format!(
            "  primary term {} → {} before {}: a restart, a failover or a restore",
            change.from,
            change.to,
            to_the_second(change.at)
        );
        lines.push(match change.lost {
            Some((first, last)) => format!(
                "{event}, in which the index lost the recorded {} and assigned them again",
                range(first, last)
            ),
            None => event,
        });
    }
    if let Some((first, last)) = ledger.lost {
        lines.push(format!(
            "  lost: the recorded {} are not in the index; a failover or a restore lost them",
            range(first, last)
        ));
    }
    for jump in &ledger.version_jumps {
        let id = &jump.directive;
        lines.push(if jump.across_reassigned_numbers {
            format!("  gap: the versions of {id} lack an operation whose number was assigned again")
        } else {
            format!(
                "  the versions of {id} have a jump without a missing number; its writer chose them"
            )
        });
    }
    lines
}

fn describe(gap: &Gap, ledger: &IndexLedger, now: Timestamp) -> Vec<String> {
    let mut lines = vec![format!(
        "  gap: {}, {}",
        numbers(gap),
        between(gap, ledger, now)
    )];
    lines.push(match concerns(gap) {
        Some(concerns) if ledger.is_current => format!("    can concern {concerns}"),
        // The records of this index can no longer be compared with its documents, so the gap may
        // also concern another directive.
        Some(concerns) => format!("    can concern {concerns}; or another directive"),
        None => "    nothing tells which directives it concerns".to_owned(),
    });
    lines
}

pub(super) fn gaps_as_csv(found: &Verification) -> String {
    const HEADER: [&str; 8] = [
        "index_uuid",
        "first",
        "last",
        "after",
        "before",
        "previous_directive",
        "next_directive",
        "can_concern",
    ];
    let rows = found
        .indices
        .iter()
        .flat_map(|ledger| ledger.gaps.iter().map(move |gap| (ledger, gap)))
        .map(|(ledger, gap)| {
            let side = |side: &Option<opensearch_directives::history::Neighbour>| {
                side.as_ref()
                    .map(|one| (one.at.to_string(), one.directive.clone()))
            };
            let ((after, previous), (before, next)) =
                (side(&gap.previous).unzip(), side(&gap.next).unzip());
            json!({
                "index_uuid": ledger.uuid, "first": gap.first, "last": gap.last,
                "after": after, "before": before,
                "previous_directive": previous, "next_directive": next,
                "can_concern": concerns(gap),
            })
        });
    csv::lines(&HEADER, rows)
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
