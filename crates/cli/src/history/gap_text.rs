//! Describes the gaps of a history in words. A gap consists of consecutive `_seq_no`s for which the
//! history has no record.

use jiff::Timestamp;
use opensearch_directives::history::{Evidence, Gap, IndexLedger, Neighbour};

use crate::directive_text::printable;
use crate::instant::to_the_second;
use crate::report_wording::count;

/// The maximum number of directives that one line of text names. The JSON output names all
/// directives that a gap may concern.
const SHOWN: usize = 8;

/// Formats the `_seq_no`s of a gap, such as `number 17`, `numbers 17 to 19` or `numbers from 17
/// on`.
pub(super) fn numbers(gap: &Gap) -> String {
    match gap.last {
        Some(last) => range(gap.first, last),
        None => format!("numbers from {} on", gap.first),
    }
}

pub(super) fn range(first: u64, last: u64) -> String {
    if first == last {
        format!("number {first}")
    } else {
        format!("numbers {first} to {last}")
    }
}

/// Describes the time range in which the operations in a gap happened.
pub(super) fn between(gap: &Gap, ledger: &IndexLedger, now: Timestamp) -> String {
    let side = |neighbour: &Neighbour| {
        format!(
            "{} (number {}, {})",
            to_the_second(neighbour.at),
            neighbour.number,
            printable(&neighbour.directive)
        )
    };
    let start = match (&gap.previous, ledger.created_at) {
        (Some(previous), _) => format!("after {}", side(previous)),
        (None, Some(created)) => {
            format!("after the index was created at {}", to_the_second(created))
        }
        (None, None) => "after the index was created".to_owned(),
    };
    let end = match (&gap.next, gap.last, ledger.replaced_at) {
        (Some(next), _, _) => format!("before {}", side(next)),
        (None, Some(_), _) => format!("until {}", to_the_second(now)),
        (None, None, Some(at)) => {
            format!("before another index replaced it at {}", to_the_second(at))
        }
        (None, None, None) => "before the index was deleted".to_owned(),
    };
    format!("{start} and {end}")
}

/// Describes the directives that a gap may concern. Returns `None` if there is no evidence about
/// the gap; a gap without evidence may concern every directive.
pub(super) fn concerns(gap: &Gap) -> Option<String> {
    if gap.evidence.is_empty() {
        return None;
    }
    let shown = gap.evidence.iter().take(SHOWN).map(evidence);
    let mut all: Vec<String> = shown.collect();
    if gap.evidence.len() > SHOWN {
        all.push(format!("and {} more", gap.evidence.len() - SHOWN));
    }
    Some(all.join("; "))
}

fn evidence(evidence: &Evidence) -> String {
    let id = printable(evidence.directive());
    match evidence {
        Evidence::Visible { number, .. } => {
            format!("{id}, whose present document has number {number}")
        }
        Evidence::Deletion { noticed_at, .. } => {
            let noticed = to_the_second(*noticed_at);
            format!("{id}, whose document a recorder found deleted at {noticed}")
        }
        Evidence::Versions {
            operations,
            with_deletion,
            ..
        } => {
            let deletion = if *with_deletion {
                ", one of them a deletion"
            } else {
                ""
            };
            let operations = count(*operations, "operation");
            format!("{id}, whose versions lack {operations}{deletion}")
        }
        Evidence::Vanished { .. } => {
            format!("{id}, whose document no longer exists although no deletion is recorded")
        }
        _ => id,
    }
}
