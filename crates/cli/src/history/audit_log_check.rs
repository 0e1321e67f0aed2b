//! Compares the author in each record with the user in the audit log of the security plugin. Marks
//! each record in which these two names contradict each other.

use opensearch_directives::history::{AuditLog, History, Record, RecordFilter};
use serde_json::Value;

use crate::exit::Failure;
use crate::stdio::note;

/// A record, with the user whom the audit log names for the same operation.
pub(super) struct Witnessed {
    pub(super) record: Record,
    /// Whether the function has read the audit log.
    is_checked: bool,
    witness: Option<String>,
}

/// Reads the records that satisfy the filter. `audit_log` names the indices of the audit log. If it
/// is `None`, the function uses the audit log with the default name, provided that it exists and
/// that the user may read it.
pub(super) async fn read(
    history: &History,
    filter: &RecordFilter,
    audit_log: Option<&str>,
) -> Result<Vec<Witnessed>, Failure> {
    let found = history.records(filter).await?;
    let log = history.audit_log(audit_log, &found.records).await?;
    let (Some(by), Some(_)) = (&filter.by, &log) else {
        super::warn_of_unreadable(history.stream(), &found.unreadable);
        return Ok(with_witness(found.records, log.as_ref()));
    };
    // A writer can state a false name as the author, so the records of all authors are compared
    // with the audit log.
    let mut all = filter.clone();
    all.by = None;
    let found = history.records(&all).await?;
    super::warn_of_unreadable(history.stream(), &found.unreadable);
    let log = history.audit_log(audit_log, &found.records).await?;
    let mut witnessed = with_witness(found.records, log.as_ref());
    witnessed.retain(|one| one.is_by(by));
    Ok(witnessed)
}

/// Reports the number of operations that the audit log names, and the number of records with a
/// contradiction.
pub(super) fn summarize(records: &[Witnessed]) {
    let all = records.len();
    if records.iter().any(|one| one.is_checked) {
        let named = records.iter().filter(|one| one.witness.is_some()).count();
        note(&format!(
            "note: the audit log names the user of {named} of {all} operations; it can lose events, so \
             an operation that it does not name is not suspicious"
        ));
    }
    let contradicted = records
        .iter()
        .filter(|one| !one.contradictions().is_empty());
    let contradicted = contradicted.count();
    if contradicted > 0 {
        note(&format!(
            "warning: in {contradicted} of {all} operations, the claimed author is not the user whom \
             the cluster authenticated"
        ));
    }
}

fn with_witness(records: Vec<Record>, log: Option<&AuditLog>) -> Vec<Witnessed> {
    let witnessed = |record: Record| Witnessed {
        is_checked: log.is_some(),
        witness: log.and_then(|log| log.user_of(&record)).map(str::to_owned),
        record,
    };
    records.into_iter().map(witnessed).collect()
}

impl Witnessed {
    /// Returns a record that was not compared with an audit log.
    pub(super) fn unchecked(record: Record) -> Self {
        Self {
            record,
            is_checked: false,
            witness: None,
        }
    }

    /// Returns the user whom the cluster authenticated, according to the audit log. If the audit
    /// log does not name the user, the function returns the user in the record.
    fn user(&self) -> Option<&str> {
        let stated = self.record.authenticated_by.as_deref();
        self.witness.as_deref().or(stated)
    }

    fn is_by(&self, name: &str) -> bool {
        let stated = [&self.record.by, &self.record.authenticated_by];
        let stated = stated
            .into_iter()
            .any(|stated| stated.as_deref() == Some(name));
        stated || self.witness.as_deref() == Some(name)
    }

    /// Describes how the names in the record and in the audit log contradict each other.
    pub(super) fn contradictions(&self) -> Vec<String> {
        self.record.contradictions(self.witness.as_deref())
    }

    /// Returns the text for the column of authors in the table.
    pub(super) fn author(&self) -> Option<String> {
        author(&self.record, self.user(), !self.contradictions().is_empty())
    }

    /// Returns the record as JSON, with the user whom the audit log names as `authenticated_by`.
    pub(super) fn to_json(&self) -> Result<Value, Failure> {
        let mut json = serde_json::to_value(&self.record).map_err(Failure::other)?;
        if let Some(user) = &self.witness {
            json["authenticated_by"] = user.as_str().into();
        }
        if self.is_checked {
            json["witnessed"] = self.witness.is_some().into();
        }
        let contradictions = self.contradictions();
        if !contradictions.is_empty() {
            json["contradictions"] = contradictions.into();
        }
        Ok(json)
    }
}

/// Returns the author that the writer claimed. If the cluster authenticated a user with another
/// name, the text also contains this name.
pub(super) fn author(record: &Record, user: Option<&str>, is_contradicted: bool) -> Option<String> {
    match (record.by.as_deref(), user) {
        (Some(by), Some(user)) if is_contradicted => {
            Some(format!("{by} (CONTRADICTED: authenticated as {user})"))
        }
        (Some(by), Some(user)) if by != user => Some(format!("{by} (authenticated as {user})")),
        (Some(by), _) => Some(by.to_owned()),
        (None, Some(user)) => Some(format!("(authenticated as {user})")),
        (None, None) => None,
    }
}
