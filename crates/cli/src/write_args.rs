//! Defines the flags that all verbs that write directives have: author, dry run, consent, and the
//! format of the report.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use opensearch_directives::admin::{DirectivesApi, PlannedKind, PlannedWrite};

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::context_file;
use super::exit::{Exit, Failure};
use super::output::{ReportFormat, note};
use super::risky_writes::{self, expired_since_planned, without_ended};
use super::write_report::Report;
use super::write_result::NotPlanned;

/// The flags of every verb that writes.
#[derive(Debug, Args)]
pub(super) struct WriteArgs {
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Write without asking for confirmation
    #[arg(short, long)]
    pub(super) yes: bool,

    /// The author that the directive records [default: the user of the operating system; under
    /// sudo, the user who called sudo; if there is no name, the user that the cluster
    /// authenticated]
    #[arg(long, value_name = "NAME")]
    pub(super) author: Option<String>,

    /// After the write, wait until every live instance applies it, see `directives wait`
    #[arg(
        long, value_name = "DURATION", num_args = 0..=1, require_equals = true,
        default_missing_value = super::wait::DEFAULT_TIMEOUT, value_parser = super::duration::parse
    )]
    wait: Option<Duration>,

    /// Format of the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(super) output: ReportFormat,

    /// Whether the user has already consented to the write.
    #[arg(skip)]
    has_consented: Cell<bool>,

    /// Whether the index contains what the command wrote.
    #[arg(skip)]
    is_stored: Cell<bool>,

    /// The flags by which the user would have to consent to the write that a dry run shows.
    #[arg(skip)]
    needs: RefCell<BTreeSet<&'static str>>,

    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    #[command(flatten)]
    pub(super) timeout: TimeoutArgs,
}

impl WriteArgs {
    /// Creates a client for the index, and determines the user whom the cluster authenticated.
    pub(super) async fn api(&self) -> Result<DirectivesApi, Failure> {
        let api = DirectivesApi::new(self.connection.client(self.timeout).await?);
        let user = api.authenticated_user().await?;
        let name = super::author::recorder_name();
        Ok(api.with_authenticated_user(user).with_recorder_name(name))
    }

    /// Determines the name of the author to store with the write.
    pub(super) async fn author(&self, api: &DirectivesApi) -> Result<String, Failure> {
        super::author::author(self.author.clone(), api).await
    }

    /// Returns true if the command has written at least one directive, or if the index already
    /// contained all of them. The exit code does not show this, because `--wait` may fail after a
    /// write.
    pub(super) fn is_stored(&self) -> bool {
        self.is_stored.get()
    }

    /// Notes that the write that a dry run shows needs a flag.
    pub(super) fn note_need(&self, flag: &'static str) {
        self.needs.borrow_mut().insert(flag);
    }

    /// Prints the flags that the write needs, and returns them.
    fn print_needs(&self) -> Vec<&'static str> {
        let needs: Vec<&str> = self.needs.borrow().iter().copied().collect();
        if !needs.is_empty() {
            let flags = needs.join(" and ");
            // With `--yes`, the command does not ask for the consents that have flags of their own.
            let or = if self.yes {
                ""
            } else {
                ", or your consent on a terminal"
            };
            note(&format!("note: the write needs {flags}{or}"));
        }
        needs
    }

    /// Shows the planned writes that change something, up to 20 of them, and asks the user to
    /// consent to all. The function shows the writes first that most need the user's attention. It
    /// does not ask if `--yes` is given; in a dry run, it notes that the write needs `--yes`.
    pub(super) fn confirm(
        &self,
        question: &str,
        plan: &[PlannedWrite],
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.ask(question, plan, 20, now)
    }

    /// Works like [`confirm`](Self::confirm), but shows every planned write that changes something.
    pub(super) fn confirm_each(
        &self,
        question: &str,
        plan: &[PlannedWrite],
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.ask(question, plan, usize::MAX, now)
    }

    fn ask(
        &self,
        question: &str,
        plan: &[PlannedWrite],
        at_most: usize,
        now: Timestamp,
    ) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if self.dry_run {
            self.note_need("--yes");
            return Ok(());
        }
        let mut shown: Vec<PlannedWrite> = changing(plan).cloned().collect();
        shown.sort_by_key(risky_writes::rank);
        let more = shown.len().saturating_sub(at_most);
        shown.truncate(at_most);
        let mut text = Report::of_plan(self.connection.location(), now, shown).text();
        if more > 0 {
            text = format!("{text}\nand {more} more");
        }
        super::confirm::confirm(&text, question)?;
        self.has_consented.set(true);
        Ok(())
    }

    /// Executes the planned writes and prints the report, which also contains the directives in
    /// `not_planned`. In a dry run, the function only prints the planned writes.
    pub(super) async fn execute(
        &self,
        api: &DirectivesApi,
        mut plan: Vec<PlannedWrite>,
        mut not_planned: Vec<NotPlanned>,
        now: Timestamp,
    ) -> Result<Exit, Failure> {
        let location = self.connection.location();
        let settled = self.has_consented.get() || changing(&plan).next().is_none();
        if let (Some(context), false) = (context_file::protected(), settled) {
            let question = format!("The context {context} is protected.");
            self.confirm(&question, &plan, now)?;
        }
        if self.has_consented.get() {
            // A directive may have expired while the command waited for the reply, and the user has
            // not consented that it applies again.
            let now = api.now().await?;
            let has_expired = |planned: &PlannedWrite| expired_since_planned(planned, now);
            plan = without_ended(plan, &mut not_planned, has_expired);
        }
        let report = if self.dry_run {
            Report::of_plan(location, now, plan).with_needs(self.print_needs())
        } else {
            if self.wait.is_some() {
                // With `--wait`, the command writes nothing if it cannot read the reports of the
                // fleet, because it could not wait for the instances after the write.
                api.fleet().await?;
            }
            let report = api.execute(plan).await;
            // The command reads the cluster's time again after the writes, because they may take a
            // while and the report states how long the directives still apply.
            let now = api.now().await.unwrap_or(now);
            Report::of(location, now, report)
        };
        let report = report.with_not_planned(not_planned);
        let has_written = report.has_written();
        let printed = report.print(self.output.is_json());
        let is_stored = has_written || matches!(printed, Ok(Exit::Success));
        self.is_stored.set(is_stored && !self.dry_run);
        match self.wait {
            // The command waits also if only a part was written, or if the index already contained
            // everything.
            Some(timeout) if self.is_stored() => {
                worse(printed, super::wait::after_write(api, timeout).await)
            }
            _ => printed,
        }
    }
}

/// Combines the result of a write with the result of the wait for the instances.
fn worse(written: Result<Exit, Failure>, waited: Result<Exit, Failure>) -> Result<Exit, Failure> {
    match (written, waited) {
        (Ok(written), Ok(waited)) => Ok(written.or_worse(waited)),
        (Ok(exit), Err(failure)) | (Err(failure), Ok(exit)) => Err(failure.or_worse(exit)),
        (Err(written), Err(waited)) => Err(written.with_note(&waited.text())),
    }
}

/// Returns the planned writes that change something.
pub(super) fn changing(plan: &[PlannedWrite]) -> impl Iterator<Item = &PlannedWrite> {
    plan.iter()
        .filter(|planned| planned.kind() != PlannedKind::Nothing)
}
