//! Counts the instances that apply every operation on the index, and formats the reports of
//! instances as text or JSON. Both `directives status` and `directives wait` use this file.

use opensearch_directives::fleet::{
    Fleet, IndexPosition, InstanceReport, InstanceState, UnreadableReport,
};
use serde_json::{Value, json};

use super::directive_text::printable;
use super::duration::{length, relative, signed};
use super::report_wording::count;

/// Counts the live instances that apply every operation up to a state of the index, and lists those
/// that lack an operation.
pub(super) struct Convergence<'a> {
    /// The number of live instances. An instance whose report was not read or cannot be decoded
    /// counts as live, because nothing shows that it has ended.
    pub(super) live: u64,
    /// The reports of the live instances that lack at least one operation.
    pub(super) missing: Vec<&'a InstanceReport>,
    /// The number of live instances that apply every operation.
    pub(super) applied: u64,
}

impl<'a> Convergence<'a> {
    /// Compares the reports of the instances with a state of the index, which may be earlier than
    /// the current one. An instance that applies all current operations also applies all operations
    /// of an earlier state.
    pub(super) fn of(fleet: &'a Fleet, target: &IndexPosition) -> Self {
        let live = fleet.reports.iter();
        let live = live.filter(|report| fleet.state(report).is_live());
        let (applied, missing): (Vec<_>, Vec<_>) = live
            .partition(|report| fleet.state(report).is_converged() || target.is_applied_by(report));
        let unknown = fleet.unreadable.len() as u64 + fleet.omitted;
        Self {
            live: (applied.len() + missing.len()) as u64 + unknown,
            missing,
            applied: applied.len() as u64,
        }
    }

    /// Returns true if at least `per_mille` thousandths of the live instances apply every
    /// operation. Returns false if no instance is live, because no report shows that an operation
    /// is applied.
    pub(super) fn is_reached(&self, per_mille: u16) -> bool {
        self.live > 0 && self.applied * 1000 >= self.live * u64::from(per_mille)
    }
}

/// Describes the state of an instance in words, such as `behind by 3`.
pub(super) fn state_text(fleet: &Fleet, report: &InstanceReport) -> String {
    let state = fleet.state(report);
    let is_of_another_index = report.index_uuid.as_ref() != Some(&fleet.position.index_uuid);
    let mut text = match state {
        InstanceState::Behind {
            operations: Some(operations),
        } => format!("behind by {operations}"),
        InstanceState::Behind { operations: None } if report.index_uuid.is_none() => {
            "behind, has read nothing".to_owned()
        }
        InstanceState::Behind { operations: None } if is_of_another_index => {
            "behind, read another index".to_owned()
        }
        InstanceState::Silent { since } => {
            format!("silent for {}", length(signed(since)))
        }
        InstanceState::Left => format!("left {}", relative(report.reported_at, fleet.now)),
        other => other.as_str().to_owned(),
    };
    if state.is_live() {
        if report.off {
            text += ", off";
        }
        if report.staleness != "fresh" {
            text = format!("{text}, {}", printable(&report.staleness));
        }
    }
    text
}

/// Converts the report of an instance to JSON, and adds the instance's state. The field
/// `applied_seq_no` contains the same operation as the table of `directives status`.
pub(super) fn to_json(fleet: &Fleet, report: &InstanceReport) -> Value {
    let state = fleet.state(report);
    let mut value = json!(report);
    value["state"] = state.as_str().into();
    if let Some(applied) = fleet.applied_seq_no(report) {
        value["applied_seq_no"] = applied.into();
    }
    if let InstanceState::Behind { operations } = state {
        value["behind"] = operations.into();
    }
    if let InstanceState::Silent { since } = state {
        value["silent_seconds"] = since.as_secs().into();
    }
    value
}

/// Formats the reason why the report of an instance cannot be decoded.
pub(super) fn unreadable_text(report: &UnreadableReport) -> String {
    let [instance, reason] = [&report.instance, &report.reason].map(|text| printable(text));
    format!("{instance}: its report is unreadable: {reason}")
}

/// Returns the instances whose reports cannot be decoded, with the reasons, as JSON.
pub(super) fn unreadable_json(fleet: &Fleet) -> Value {
    let reports = fleet.unreadable.iter();
    let reports = reports.map(|one| json!({ "instance": one.instance, "reason": one.reason }));
    reports.collect()
}

/// Describes the newest known operation on the index, such as `operation 17`.
pub(super) fn operation(position: &IndexPosition) -> String {
    match position.assigned_seq_no.or(position.max_seq_no) {
        Some(seq_no) => format!("operation {seq_no}"),
        None => "no operation".to_owned(),
    }
}

/// Formats a number of instances, such as `2 instances`.
pub(super) fn instances(number: usize) -> String {
    count(number, "instance")
}
