//! Fuzz targets that decode records of a history and reports of instances, and format them as the
//! command does. Records and reports are untrusted, because every user whose role permits writing
//! them can forge them.

use directives::fuzzing::{fleet_texts, history_texts};
use opensearch_directives::fuzzing::{fleet_reports, history_records};
use opensearch_directives::history::{IndexLedger, Record};
use opensearch_directives::internal::is_invisible;

/// Decodes each line of the input as a record of a history.
pub(crate) fn run_records(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let found = history_records(text);
    let lines = text.split('\n').count();
    assert_eq!(found.records.len() + found.unreadable.len(), lines);
    for record in &found.records {
        let json = serde_json::to_string(record).expect("a record can be encoded");
        let again: Record = serde_json::from_str(&json).expect("the encoded form is accepted");
        assert_eq!(&again, record);
    }
    found.verification.indices.iter().for_each(check_gaps);
    assert!(found.unreadable.is_empty() || !found.verification.is_intact());
    check_texts(&history_texts(&found));
}

/// Decodes the input as the response to a search for the reports of instances.
pub(crate) fn run_reports(body: &[u8]) {
    let Some(fleet) = fleet_reports(body) else {
        return;
    };
    for report in &fleet.reports {
        // The fuzz target compares each report with an index that has the highest possible
        // `_seq_no`. An instance must count as converged only if its report contains this
        // `_seq_no`.
        let is_behind = report.applied_seq_no != Some(u64::MAX);
        assert!(!(is_behind && fleet.state(report).is_converged()));
    }
    check_texts(&fleet_texts(&fleet));
}

/// Checks that each gap of the ledger contains at least one `_seq_no`, and that the gaps are in
/// ascending order.
fn check_gaps(ledger: &IndexLedger) {
    let mut first = 0;
    for gap in &ledger.gaps {
        assert!(gap.first >= first, "{ledger:?}");
        assert!(gap.last.is_none_or(|last| last >= gap.first), "{ledger:?}");
        first = gap.first;
    }
}

/// Checks that the text for the user contains no character that controls a terminal, except for
/// line feeds.
fn check_texts(texts: &[String]) {
    for text in texts {
        let found = text.contains(|char| char != '\n' && is_invisible(char));
        assert!(!found, "{text:?}");
    }
}
