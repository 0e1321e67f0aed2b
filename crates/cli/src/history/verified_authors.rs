//! Compares the authors in the records that `directives history verify` reads with the audit log.

use opensearch_directives::history::Record;
use serde_json::{Value, json};

use super::audit_log_check::{Counts, Witnessed};
use crate::exit::Failure;
use crate::instant::to_the_second;
use crate::report_wording::count;

/// The maximum number of contradicted authors that the text output lists. The JSON output lists all
/// contradicted authors.
const SHOWN: usize = 50;

/// The result of comparing the authors of all records of the history with the audit log.
pub(super) struct Authors<'a> {
    counts: Counts,
    contradicted: Vec<&'a Witnessed>,
}

impl<'a> Authors<'a> {
    pub(super) fn of(records: &'a [Witnessed]) -> Self {
        let contradicted = records.iter().filter(|one| one.is_contradicted());
        Self {
            counts: Counts::of(records.iter()),
            contradicted: contradicted.collect(),
        }
    }

    /// Returns a line for each record whose claimed author the authenticated user contradicts.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.counts.named.is_some() || !self.contradicted.is_empty() {
            lines.push("authors".to_owned());
        }
        if let Some(named) = self.counts.named {
            let all = count(self.counts.all, "operation");
            lines.push(format!(
                "  the audit log names the user of {named} of {all}; it can lose events, so an \
                 operation that it does not name is not suspicious"
            ));
        }
        let shown = self.contradicted.iter().take(SHOWN);
        lines.extend(shown.map(|one| line(&one.record, &one.contradictions())));
        if let Some(more @ 1..) = self.contradicted.len().checked_sub(SHOWN) {
            lines.push(format!("  and {more} more contradicted authors (-o json)"));
        }
        lines
    }

    /// Returns what the last sentence of the report says about the authors of the records. Returns
    /// `None` if the command knows nothing about the authors.
    pub(super) fn clause(&self) -> Option<String> {
        let contradicted = match self.contradicted.len() {
            0 => None,
            1 => Some("1 claimed author is contradicted".to_owned()),
            more => Some(format!("{more} claimed authors are contradicted")),
        };
        let named = self.counts.named.map(|named| {
            let all = count(self.counts.all, "operation");
            format!("the audit log names the user of {named} of {all}")
        });
        let parts: Vec<String> = named.into_iter().chain(contradicted).collect();
        (!parts.is_empty()).then(|| parts.join(", and "))
    }

    pub(super) fn json(&self) -> Result<Value, Failure> {
        let contradicted = self.contradicted.iter().map(|one| one.to_json());
        let contradicted: Result<Vec<Value>, Failure> = contradicted.collect();
        Ok(json!({
            "operations": self.counts.all,
            "named_by_audit_log": self.counts.named,
            "contradicted": contradicted?,
        }))
    }
}

fn line(record: &Record, contradictions: &[String]) -> String {
    let number = match record.seq_no {
        Some(number) => format!("number {number}"),
        None => "an operation without a number".to_owned(),
    };
    format!(
        "  CONTRADICTED: {number} ({}, {} at {}): {}",
        record.directive,
        record.kind,
        to_the_second(record.timestamp),
        contradictions.join("; ")
    )
}
