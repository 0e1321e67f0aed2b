//! Warns if the command has written directives, but could not record some of these writes in the
//! history.

use opensearch_directives::admin::HistoryReport;
use opensearch_directives::error::chain;
use serde_json::{Value, json};

use super::directive_text::printable;
use super::output::note;
use super::report_wording::verb;

/// The maximum number of unrecorded writes that a warning names.
const NAMED: usize = 20;

/// Prints a warning to standard error if a write could not be recorded in the history. The warning
/// does not change the exit code, because the directives themselves were written.
pub(super) fn warn(history: &HistoryReport) {
    if let Some(error) = &history.unclear {
        note(&format!(
            "warning: these writes are not recorded, because it is not known whether the index has a \
             history: {}; the directives were written",
            printable(&chain(error))
        ));
    }
    if history.unrecorded.is_empty() {
        return;
    }
    let named = history.unrecorded.iter().take(NAMED);
    let mut lines: Vec<String> = named
        .map(|one| format!("  {}: {}", printable(&one.id), printable(&one.reason)))
        .collect();
    let more = history.unrecorded.len().saturating_sub(NAMED);
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    let unrecorded = history.unrecorded.len() as u64;
    note(&format!(
        "warning: {unrecorded} of the writes {} not in the history, although the directives were written; a \
         recorder (`directives record`) adds those that it sees\n{}",
        verb(unrecorded, "is", "are"),
        lines.join("\n")
    ));
}

/// Returns as JSON how many writes are recorded in the history, and which writes are not recorded.
pub(super) fn json(history: &HistoryReport) -> Value {
    let unrecorded: Vec<Value> = history
        .unrecorded
        .iter()
        .map(|one| json!({ "id": one.id, "reason": one.reason }))
        .collect();
    json!({
        "recorded": history.recorded,
        "unrecorded": unrecorded,
        "unclear": history.unclear.as_ref().map(|error| chain(error)),
    })
}
