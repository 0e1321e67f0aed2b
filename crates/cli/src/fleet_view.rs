//! Formats the report of an instance for `status` and `wait`: either its state in words, or the
//! whole report with the state as JSON.

use jiff::SignedDuration;
use opensearch_directives::fleet::{Fleet, IndexPosition, InstanceReport, InstanceState};
use serde_json::{Value, json};

use super::duration::{length, relative};

/// Describes the state of an instance, such as `behind by 3`.
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
            let since = SignedDuration::try_from(since).unwrap_or(SignedDuration::MAX);
            format!("silent for {}", length(since))
        }
        InstanceState::Left => format!("left {}", relative(report.reported_at, fleet.now)),
        other => other.as_str().to_owned(),
    };
    if state.is_live() {
        if report.off {
            text += ", off";
        }
        if report.staleness != "fresh" {
            text = format!("{text}, {}", report.staleness);
        }
    }
    text
}

/// Converts the report of an instance to JSON, and adds the state of the instance.
pub(super) fn to_json(fleet: &Fleet, report: &InstanceReport) -> Value {
    let state = fleet.state(report);
    let mut value = json!(report);
    value["state"] = state.as_str().into();
    if let InstanceState::Behind { operations } = state {
        value["behind"] = operations.into();
    }
    if let InstanceState::Silent { since } = state {
        value["silent_seconds"] = since.as_secs().into();
    }
    value
}

/// Describes the last known operation on the index in words.
pub(super) fn operation(position: &IndexPosition) -> String {
    match position.assigned_seq_no.or(position.max_seq_no) {
        Some(seq_no) => format!("operation {seq_no}"),
        None => "no operation".to_owned(),
    }
}

/// Formats a number of instances, such as `2 instances`.
pub(super) fn instances(number: usize) -> String {
    match number {
        1 => "1 instance".to_owned(),
        number => format!("{number} instances"),
    }
}
