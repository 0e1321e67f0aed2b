//! Describes one directive that applied at an instant: the operation that wrote it, its end, and
//! the instances that applied it.

use opensearch_directives::history::{End, PastDirective, Record};
use serde_json::{Value, json};

use super::audit_log_check::{Witness, Witnessed};
use super::past_instances::PastInstances;
use super::records::{noticed_deletion, what};
use crate::directive_text::summary;
use crate::instant::to_the_second;

pub(super) const COLUMNS: [&str; 21] = [
    "id",
    "summary",
    "level",
    "kind",
    "at",
    "by",
    "authenticated_by",
    "reason",
    "ticket",
    "created_by",
    "ended",
    "ended_at",
    "ended_by",
    "ended_reason",
    "expires_at",
    "contradictions",
    "witnessed",
    "ended_authenticated_by",
    "ended_contradictions",
    "ended_after",
    "doubts",
];

/// A directive that applied at the instant in `history --at`.
pub(super) struct Applying<'a> {
    pub(super) directive: &'a PastDirective,
    end: End,
    /// The operation that wrote the version of the directive that applied at the instant.
    written: Witnessed,
    /// The operation that ended the directive; `None` if no operation did, for example because the
    /// directive expired.
    ended: Option<Witnessed>,
}

impl<'a> Applying<'a> {
    pub(super) fn new(directive: &'a PastDirective, end: End, witness: &Witness) -> Self {
        let ended = match &end {
            End::Operation(record) => Some(witness.of((**record).clone())),
            _ => None,
        };
        Self {
            directive,
            written: witness.of(directive.record.clone()),
            ended,
            end,
        }
    }

    /// Returns the operation that wrote the directive and, if there is one, the operation that
    /// ended it.
    pub(super) fn operations(&self) -> impl Iterator<Item = &Witnessed> {
        std::iter::once(&self.written).chain(&self.ended)
    }

    /// Formats the directive as several lines: its content, its author and reason, how it ended,
    /// and the instances that applied it.
    pub(super) fn lines(&self, instances: &PastInstances) -> Vec<String> {
        let record = &self.written.record;
        let summary = self.directive.live().map(summary).unwrap_or_default();
        let mut lines = vec![format!("  {}: {summary}", record.directive)];
        lines.push(format!("    {}", operation(&self.written)));
        let creation = self.directive.live().map(|document| &document.audit);
        if let Some((by, at)) = creation
            .and_then(|audit| Some((audit.created_by.as_ref()?, audit.created_at?)))
            .filter(|(_, at)| *at < record.timestamp)
        {
            lines.push(format!("    created {} by {}", to_the_second(at), by));
        }
        lines.push(format!("    {}", self.end()));
        lines.extend(instances.lines(self.directive));
        lines
    }

    fn end(&self) -> String {
        if let Some(ended) = &self.ended {
            if let Some(noticed) = noticed_deletion(&ended.record) {
                return format!("ended by: {noticed}{}", ticket(&ended.record));
            }
            let changed = match what(&ended.record) {
                changed if changed.is_empty() => String::new(),
                changed => format!(" [{changed}]"),
            };
            return format!("ended by: {}{changed}", operation(ended));
        }
        match &self.end {
            End::Pending(at) => format!("has not ended; it expires {}", to_the_second(*at)),
            End::Expired(at) => format!("expired {}", to_the_second(*at)),
            End::IndexReplaced(at) => {
                let at = to_the_second(*at);
                format!("ended with the index, which was replaced before {at}")
            }
            End::IndexDeleted => "ended with the index, which was deleted".to_owned(),
            End::Unrecorded(at) => {
                let at = to_the_second(*at);
                format!("no record shows its end; it applied until {at} at the latest")
            }
            End::Lost => "ended because the index lost it in a failover or a restore".to_owned(),
            _ => "ended".to_owned(),
        }
    }

    /// Converts the directive to JSON, including the instances that applied it.
    pub(super) fn json(&self, instances: &PastInstances) -> Value {
        let mut row = self.row();
        if let Some(instances) = instances.json(self.directive) {
            row["instances"] = instances;
        }
        row
    }

    pub(super) fn row(&self) -> Value {
        let record = &self.written.record;
        let document = self.directive.live();
        let (ended, at) = match &self.end {
            End::Pending(_) => ("pending", None),
            End::Expired(at) => ("expired", Some(*at)),
            End::Operation(record) => (record.kind.as_str(), Some(record.timestamp)),
            End::IndexReplaced(at) => ("index replaced", Some(*at)),
            End::IndexDeleted => ("index deleted", None),
            End::Unrecorded(at) => ("not recorded", Some(*at)),
            End::Lost => ("lost", None),
            _ => ("unknown", None),
        };
        let by = self.ended.as_ref();
        let of_end =
            |field: fn(&Record) -> &Option<String>| by.and_then(|by| field(&by.record).clone());
        json!({
            "id": record.directive,
            "summary": document.map(summary),
            "level": document.map(|document| document.directive.level),
            "kind": record.kind,
            "at": record.timestamp,
            "by": record.by,
            "authenticated_by": self.written.user(),
            "contradictions": self.written.contradictions(),
            "witnessed": self.written.is_witnessed(),
            "reason": record.reason,
            "ticket": record.ticket,
            "created_by": document.and_then(|document| document.audit.created_by.clone()),
            "expires_at": document.map(|document| document.directive.expires_at),
            "ended": ended,
            "ended_at": at,
            "ended_after": by.and_then(|by| by.record.deleted_after),
            "ended_by": of_end(|record| &record.by),
            "ended_authenticated_by": by.and_then(Witnessed::user),
            "ended_contradictions": by.map(Witnessed::contradictions),
            "ended_reason": of_end(|record| &record.reason),
        })
    }
}

/// Formats an operation with its time, author and reason, such as `revoked 2030-01-31T14:20:00Z by
/// carol: found it (INC-1)`.
fn operation(operation: &Witnessed) -> String {
    let record = &operation.record;
    let by = operation.author().map_or_else(
        || "by an unknown author".to_owned(),
        |author| format!("by {author}"),
    );
    let reason = record.reason.as_deref().map(|reason| format!(": {reason}"));
    format!(
        "{} {} {by}{}{}",
        record.kind,
        to_the_second(record.timestamp),
        reason.unwrap_or_default(),
        ticket(record)
    )
}

fn ticket(record: &Record) -> String {
    let ticket = record.ticket.as_deref();
    ticket.map_or_else(String::new, |ticket| format!(" ({ticket})"))
}
