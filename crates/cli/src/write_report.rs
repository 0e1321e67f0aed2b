//! Reports the results of a write, as text or as JSON, with one entry for each directive and a
//! summary. The worst result among the directives decides the exit code.

use anstyle::AnsiColor;
use jiff::Timestamp;
use opensearch_directives::admin::{
    FieldChange, HistoryReport, Outcome, PlannedWrite, WriteError, WriteReport,
};
use serde_json::{Value, json};

use super::directive_text::{change, printable, summary};
use super::exit::{Exit, Failure, exit_of};
use super::instant::until;
use super::output::{print, print_json};
use super::recording_warnings;
use super::report_wording::{change_of_end, conflict, revoked, style};
use super::write_result::{Done, NotPlanned};

/// The entry for one directive in the report of a write.
#[derive(Debug)]
pub(super) struct Entry {
    id: String,
    done: Done,
    planned: Option<PlannedWrite>,
    changes: Vec<FieldChange>,
    detail: Option<String>,
}

/// The report of the writes that a command executed, or of its dry run.
#[derive(Debug)]
pub(super) struct Report {
    location: String,
    dry_run: bool,
    now: Timestamp,
    entries: Vec<Entry>,
    failure: Option<WriteError>,
    history: Option<HistoryReport>,
    /// The flags by which the user would have to consent to the writes of a dry run.
    needs: Option<Vec<&'static str>>,
}

impl Report {
    /// Creates the report of a dry run, from the planned writes.
    pub(super) fn of_plan(location: String, now: Timestamp, plan: Vec<PlannedWrite>) -> Self {
        let entries = plan.into_iter().map(|planned| {
            let done = planned.kind().into();
            entry(planned, done, None)
        });
        Self {
            location,
            dry_run: true,
            now,
            entries: entries.collect(),
            failure: None,
            history: None,
            needs: None,
        }
    }

    /// Creates the report of a command that has executed its planned writes.
    pub(super) fn of(location: String, now: Timestamp, report: WriteReport) -> Self {
        let entries = report
            .outcomes
            .into_iter()
            .map(|(planned, outcome)| match outcome {
                Outcome::Written | Outcome::Unchanged => {
                    let done = planned.kind().into();
                    entry(planned, done, None)
                }
                Outcome::Conflict { current } => {
                    let detail = conflict(&planned, current.as_deref());
                    entry(planned, Done::Conflict, Some(detail))
                }
                Outcome::Refused { reason } => entry(planned, Done::Refused, Some(reason)),
                Outcome::Unknown => {
                    let detail =
                        "the request failed, so it is unknown whether the directive was written";
                    entry(planned, Done::Unknown, Some(detail.to_owned()))
                }
                Outcome::NotSent => {
                    let detail = "it was not written, because an earlier request failed";
                    entry(planned, Done::NotSent, Some(detail.to_owned()))
                }
            });
        Self {
            location,
            dry_run: false,
            now,
            entries: entries.collect(),
            failure: report.failure,
            history: report.history,
            needs: None,
        }
    }

    /// Adds the flags by which the user would have to consent to the writes of a dry run.
    pub(super) fn with_needs(mut self, needs: Vec<&'static str>) -> Self {
        self.needs = Some(needs);
        self
    }

    /// Adds an entry for each directive that the user named, but for which no write was planned.
    pub(super) fn with_not_planned(mut self, all: Vec<NotPlanned>) -> Self {
        self.entries.extend(all.into_iter().map(|one| Entry {
            id: one.id,
            done: one.done,
            planned: None,
            changes: Vec::new(),
            detail: Some(one.detail),
        }));
        self
    }

    /// Returns true if at least one directive was written.
    pub(super) fn has_written(&self) -> bool {
        let mut results = self.entries.iter().map(|entry| entry.done);
        !self.dry_run && results.any(|done| done.verb().is_some())
    }

    /// Prints the report of the writes. Returns the exit code of the worst result, or the error if
    /// a request to the cluster failed.
    pub(super) fn print(self, as_json: bool) -> Result<Exit, Failure> {
        if as_json {
            print_json(&self.json())?;
        } else if !self.entries.is_empty() {
            print(&self.text())?;
        }
        if let Some(history) = &self.history {
            recording_warnings::warn(history);
        }
        // After a failed request, the command does not send the writes that remain. The unsent
        // writes do not decide the exit code, because the error of the failed request is more
        // specific.
        let has_failed = self.failure.is_some();
        let results = self.entries.iter().map(|entry| entry.done);
        let worst = results
            .filter(|done| !(has_failed && matches!(done, Done::NotSent)))
            .map(Done::exit)
            .max_by_key(|exit| exit.severity())
            .unwrap_or(Exit::Success);
        match self.failure {
            Some(error) if exit_of(&error).severity() >= worst.severity() => Err(error.into()),
            Some(error) => Err(Failure::new(worst, error)),
            None => Ok(worst),
        }
    }

    /// Formats the report of the writes as lines of text.
    pub(super) fn text(&self) -> String {
        let mut lines: Vec<String> = self.entries.iter().map(|entry| self.line(entry)).collect();
        if self.entries.len() > 1 {
            let counts: Vec<String> = self
                .counts()
                .into_iter()
                .map(|(done, count)| match self.would(done) {
                    Some(would) => format!("{would} {count}"),
                    None => format!("{count} {}", done.as_str()),
                })
                .collect();
            lines.push(format!("{} in {}", counts.join(", "), self.location));
        }
        lines.join("\n")
    }

    /// Returns what the command would do to a directive without `--dry-run`, such as `would
    /// create`. Returns `None` if `--dry-run` is not given.
    fn would(&self, done: Done) -> Option<String> {
        let verb = done.verb().filter(|_| self.dry_run)?;
        Some(format!("would {verb}"))
    }

    fn line(&self, entry: &Entry) -> String {
        let bad = entry.done.exit() != Exit::Success;
        let done = || entry.done.as_str().to_owned();
        let head = self.would(entry.done).unwrap_or_else(done);
        let head = style(head, bad, AnsiColor::Red);
        let mut line = format!("{head} {} in {}", printable(&entry.id), self.location);
        if let Some(detail) = &entry.detail {
            line = format!("{line}: {}", printable(detail));
        } else if let Some(text) = self.details(entry) {
            line = format!("{line}: {text}");
        }
        line
    }

    fn details(&self, entry: &Entry) -> Option<String> {
        let planned = entry.planned.as_ref()?;
        let after = planned.after.as_ref();
        let end = after.map(|after| until(after.directive.expires_at, self.now));
        match entry.done {
            Done::Created => {
                let after = after?;
                let everything =
                    after.directive.match_ == opensearch_directives::DirectiveMatch::all();
                let text = style(summary(after), everything, AnsiColor::Yellow);
                Some(format!("{text}; {}", end?))
            }
            Done::Replaced => Some(format!("{}; {}", self.changes(entry), end?)),
            Done::Unchanged => Some(match after {
                Some(after) if after.revoked => revoked(after),
                Some(_) => end?,
                None => "it was already revoked".to_owned(),
            }),
            Done::Revoked => after.map(summary),
            Done::Signed => {
                let after = after?;
                let signers = super::verify::signers(&after.signatures);
                Some(format!("{}; signed by {signers}; {}", summary(after), end?))
            }
            Done::Deleted => {
                let before = planned.before.as_ref()?.document.as_ref().ok()?;
                let has_ended = before.revoked || before.directive.expires_at <= self.now;
                // For a directive that has ended, a revocation changes nothing.
                let hint = if has_ended {
                    ""
                } else {
                    "; `revoke` would have kept the record"
                };
                Some(format!("{}{hint}", summary(before)))
            }
            Done::NotFound
            | Done::Skipped
            | Done::Conflict
            | Done::Refused
            | Done::Unknown
            | Done::NotSent => None,
        }
    }

    /// Formats the changed fields of a directive as text. If the end of the directive has changed,
    /// this change comes last.
    fn changes(&self, entry: &Entry) -> String {
        let after = entry
            .planned
            .as_ref()
            .and_then(|planned| planned.after.as_ref());
        let (ends, others): (Vec<_>, Vec<_>) = entry
            .changes
            .iter()
            .partition(|change| matches!(change.field, "expires_at" | "revoked_at"));
        let others = others.into_iter().map(|field| {
            let (text, widens) = change(field, after);
            style(text, widens, AnsiColor::Yellow)
        });
        let ends = ends.into_iter().map(|field| match field.field {
            "expires_at" => change_of_end(field, self.now),
            _ => style("no longer revoked".to_owned(), true, AnsiColor::Yellow),
        });
        others.chain(ends).collect::<Vec<_>>().join(", ")
    }

    fn counts(&self) -> std::collections::BTreeMap<Done, usize> {
        let mut counts = std::collections::BTreeMap::new();
        for entry in &self.entries {
            *counts.entry(entry.done).or_default() += 1;
        }
        counts
    }

    fn json(&self) -> Value {
        let results: Vec<Value> = self.entries.iter().map(json_of).collect();
        let counts: serde_json::Map<String, Value> = self
            .counts()
            .into_iter()
            .map(|(done, count)| (done.as_str().replace(' ', "_"), count.into()))
            .collect();
        let mut report = json!({
            "in": self.location,
            "dry_run": self.dry_run,
            "results": results,
            "summary": counts,
        });
        if let Some(history) = &self.history {
            report["history"] = recording_warnings::json(history);
        }
        if let Some(needs) = &self.needs {
            report["needs"] = json!(needs);
        }
        report
    }
}

fn entry(planned: PlannedWrite, done: Done, detail: Option<String>) -> Entry {
    Entry {
        id: planned.id.clone(),
        done,
        changes: planned.changes(),
        planned: Some(planned),
        detail,
    }
}

fn json_of(entry: &Entry) -> Value {
    let after = entry
        .planned
        .as_ref()
        .and_then(|planned| planned.after.as_ref());
    let changes: Vec<Value> = entry
        .changes
        .iter()
        .map(|field| {
            json!({
                "field": field.field,
                "before": field.before,
                "after": field.after,
                "widens": change(field, after).1,
            })
        })
        .collect();
    let mut result = json!({
        "id": entry.id,
        "result": entry.done.as_str().replace(' ', "_"),
        "changes": changes,
    });
    if let Some(detail) = &entry.detail {
        result["detail"] = detail.as_str().into();
    }
    if let Some(after) = after {
        result["expires_at"] = after.directive.expires_at.to_string().into();
    }
    result
}
