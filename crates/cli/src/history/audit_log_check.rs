//! Compares the author that each record claims with the user in the security plugin's audit log.
//! Marks each record that claims an author other than the user in the audit log.

use clap::Args;
use opensearch_directives::history::{AuditLog, History, Record, RecordFilter};
use serde_json::Value;

use crate::exit::Failure;
use crate::output::note;

#[derive(Debug, Args)]
pub(super) struct AuditLogArgs {
    /// The indices of the security plugin's audit log, which names the user whom the cluster
    /// authenticated for each operation [default: security-auditlog-*, if the user may read it]
    #[arg(long, value_name = "INDICES")]
    audit_log: Option<String>,

    /// Do not compare the authors with the audit log
    #[arg(long, conflicts_with = "audit_log")]
    no_audit_log: bool,
}

/// A record of an operation, with the user whom the audit log names for the same operation.
pub(super) struct Witnessed {
    pub(super) record: Record,
    /// Whether the command compared the record with the audit log.
    is_checked: bool,
    witness: Option<String>,
}

/// The audit log with which the command compares records; `None` if it does not compare them with
/// an audit log.
pub(super) struct Witness(Option<AuditLog>);

impl AuditLogArgs {
    /// Reads the events of the audit log from the period in which the records were written. If
    /// neither `--audit-log` nor `--no-audit-log` is given, the function reads the audit log with
    /// the default name if it exists and the user may read it.
    pub(super) async fn read(
        &self,
        history: &History,
        records: &[Record],
    ) -> Result<Witness, Failure> {
        if self.no_audit_log || records.is_empty() {
            return Ok(Witness(None));
        }
        let log = history.audit_log(self.audit_log.as_deref(), records).await;
        Ok(Witness(log?))
    }

    async fn has_log(&self, history: &History) -> Result<bool, Failure> {
        let named = self.audit_log.as_deref();
        Ok(!self.no_audit_log && history.has_audit_log(named).await?)
    }
}

impl Witness {
    /// Adds to a record the user whom the audit log names for the operation.
    pub(super) fn of(&self, record: Record) -> Witnessed {
        let log = self.0.as_ref();
        Witnessed {
            is_checked: log.is_some(),
            witness: log.and_then(|log| log.user_of(&record)).map(str::to_owned),
            record,
        }
    }
}

/// Reads the records that satisfy the filter, and compares their authors with the audit log.
pub(super) async fn read(
    history: &History,
    filter: &RecordFilter,
    audit_log: &AuditLogArgs,
) -> Result<Vec<Witnessed>, Failure> {
    let mut wanted = filter.clone();
    // A writer can claim the name of another author in a record. If there is an audit log, the
    // function therefore reads the records of all authors, and filters them by author only after
    // the comparison.
    if filter.by.is_some() && audit_log.has_log(history).await? {
        wanted.by = None;
    }
    let found = history.records(&wanted).await?;
    super::warn_of_unreadable(history.stream(), &found.unreadable);
    let witness = audit_log.read(history, &found.records).await?;
    let records = found.records.into_iter().map(|record| witness.of(record));
    let is_wanted = |one: &Witnessed| filter.by.as_ref().is_none_or(|by| one.is_by(by));
    Ok(records.filter(is_wanted).collect())
}

/// Prints the number of operations whose user the audit log names, and the number of records whose
/// author it contradicts.
pub(super) fn summarize<'a>(records: impl Iterator<Item = &'a Witnessed>) {
    let counts = Counts::of(records);
    let all = counts.all;
    if let Some(named) = counts.named {
        note(&format!(
            "note: the audit log names the user of {named} of {all} operations; it can lose events, so \
             an operation that it does not name is not suspicious"
        ));
    }
    let contradicted = counts.contradicted;
    if contradicted > 0 {
        note(&format!(
            "warning: in {contradicted} of {all} operations, the claimed author is not the user whom \
             the cluster authenticated"
        ));
    }
}

/// The number of records that were compared with the audit log, and the results of the comparison.
pub(super) struct Counts {
    pub(super) all: usize,
    /// The number of operations for which the audit log names a user; `None` if the command did not
    /// read an audit log.
    pub(super) named: Option<usize>,
    pub(super) contradicted: usize,
}

impl Counts {
    pub(super) fn of<'a>(records: impl Iterator<Item = &'a Witnessed>) -> Self {
        let mut counts = Self {
            all: 0,
            named: None,
            contradicted: 0,
        };
        for record in records {
            counts.all += 1;
            if let Some(is_named) = record.is_witnessed() {
                *counts.named.get_or_insert(0) += usize::from(is_named);
            }
            counts.contradicted += usize::from(record.is_contradicted());
        }
        counts
    }
}

impl Witnessed {
    /// Wraps a record that the command did not compare with an audit log.
    pub(super) fn unchecked(record: Record) -> Self {
        Self {
            record,
            is_checked: false,
            witness: None,
        }
    }

    /// Returns the name of the user whom the cluster authenticated for the operation. The name
    /// comes from the audit log, or from the record if the audit log does not name a user.
    pub(super) fn user(&self) -> Option<&str> {
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

    /// Returns whether the audit log names the user of the operation; `None` if the command did not
    /// read an audit log.
    pub(super) fn is_witnessed(&self) -> Option<bool> {
        self.is_checked.then_some(self.witness.is_some())
    }

    pub(super) fn is_contradicted(&self) -> bool {
        !self.contradictions().is_empty()
    }

    /// Describes each contradiction between the author that the record claims, the authenticated
    /// user in the record, and the user in the audit log.
    pub(super) fn contradictions(&self) -> Vec<String> {
        self.record.contradictions(self.witness.as_deref())
    }

    /// Returns the author as text for the table of `directives history`; a contradicted author is
    /// marked.
    pub(super) fn author(&self) -> Option<String> {
        author(&self.record, self.user(), self.is_contradicted())
    }

    /// Converts the record to JSON, and sets `authenticated_by` to the user whom the audit log
    /// names.
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

/// Returns the author that the record claims, followed by the user whom the cluster authenticated,
/// if this is another user. If the record claims no author, returns only the authenticated user.
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
