//! Formats the records and reports of a history for a fuzz target, as `directives history` would
//! print them.

use opensearch_directives::fuzzing::EvaluatedHistory;

use super::audit_log_check::Witnessed;
use super::records::{HEADER, csv_lines, row};
use super::verified_authors::Authors;
use super::{printed, verify, warning};
use crate::fitted_table::fitted;

/// Returns the texts that `directives history` would print for a history.
#[must_use]
pub fn history_texts(history: &EvaluatedHistory) -> Vec<String> {
    let records: Vec<Witnessed> = history
        .records
        .iter()
        .cloned()
        .map(Witnessed::unchecked)
        .collect();
    let rows = records.iter().map(row);
    let mut texts = vec![
        fitted(&HEADER, rows, Some(100), &[]),
        csv_lines(&records).unwrap_or_default(),
        printed(&verify::report(
            &history.verification,
            &Authors::of(&records),
        )),
        verify::gaps_as_csv(&history.verification),
    ];
    let unreadable = history.unreadable.iter();
    texts.extend(unreadable.map(|one| warning("directives-history", one)));
    texts
}
