//! Selects the directives that `revoke` or `delete` changes: by ids, by the ids in files, by
//! filters, or with `--all`.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args};
use jiff::Timestamp;
use opensearch_directives::admin::{DirectivesApi, PlannedWrite, Stored};

use super::exit::{Exit, Failure};
use super::field_filters::{FilterArgs, State};
use super::input::{self, Ended};
use super::write_args::{WriteArgs, changing};
use super::write_result::NotPlanned;

/// The flags that select directives.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("selected").args(["id", "file", "all"]))]
pub(super) struct SelectionArgs {
    /// The ids of the directives
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: Vec<String>,

    /// Select the directives in a file, in the formats of `apply`; - is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Vec<PathBuf>,

    /// Select all directives that have not ended
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    filters: FilterArgs,
}

/// The selected directives, with the content and the version that the command has read from the
/// index.
#[derive(Debug)]
pub(super) struct Selection {
    found: Vec<Stored>,
    /// The given ids for which the index contains no directive.
    missing: Vec<NotPlanned>,
    /// Whether the user gave the id of each directive, so that the command does not ask for
    /// confirmation.
    named: bool,
}

impl Selection {
    /// Plans a write for each selected directive, and then executes all planned writes. If the user
    /// has not named each directive by its id, the function first shows their number and asks for
    /// confirmation.
    pub(super) async fn write(
        self,
        api: &DirectivesApi,
        args: &WriteArgs,
        plan: impl Fn(Stored) -> PlannedWrite,
        question: impl Fn(usize) -> String,
        now: Timestamp,
    ) -> Result<Exit, Failure> {
        let plan: Vec<PlannedWrite> = self.found.into_iter().map(plan).collect();
        let number = changing(&plan).count();
        if !self.named && number > 0 {
            args.confirm(&question(number), &plan, now)?;
        }
        if plan.is_empty() && self.missing.is_empty() {
            super::output::note("no directive is selected");
        }
        args.execute(api, plan, self.missing, now).await
    }
}

impl SelectionArgs {
    /// Reads the directives that the command line selects from the index.
    pub(super) async fn read(
        &self,
        api: &DirectivesApi,
        now: Timestamp,
    ) -> Result<Selection, Failure> {
        let by_id = !self.id.is_empty() || !self.file.is_empty();
        match (by_id, self.all, self.filters.is_empty()) {
            (true, _, true) => self.read_ids(api).await,
            (true, _, false) => Err(Failure::usage("give either ids or filters, not both")),
            (false, false, true) => Err(Failure::usage(
                "no directive is selected: give ids, --file, --all, or filters such as --matches tenant=acme",
            )),
            (false, _, _) => {
                let mut found = api.list().await?;
                found.retain(|stored| self.selects(stored, now));
                Ok(Selection {
                    found,
                    missing: Vec::new(),
                    named: false,
                })
            }
        }
    }

    /// Returns true if the filters on the command line select a stored directive. A directive that
    /// has ended is selected only if one of the filters is for the state.
    fn selects(&self, stored: &Stored, now: Timestamp) -> bool {
        let ended = match State::of(stored, now) {
            State::Expired | State::Revoked => true,
            State::Active | State::Scheduled | State::Rejected => false,
        };
        self.filters.pass(stored, now) && (self.filters.has_state() || !ended)
    }

    async fn read_ids(&self, api: &DirectivesApi) -> Result<Selection, Failure> {
        let mut ids = self.id.clone();
        for draft in input::read(&self.file, Ended::Keep).await?.drafts {
            ids.push(draft.id);
        }
        let (found, missing) = read_named(api, &ids, Ok).await?;
        Ok(Selection {
            found,
            missing,
            named: true,
        })
    }
}

/// Reads the directives with the given ids, and converts each with `convert`. Also returns the ids
/// without a directive, and the directives for which `convert` returns the reason why the command
/// skips them. An id that is given twice counts once.
pub(super) async fn read_named<T>(
    api: &DirectivesApi,
    ids: &[String],
    mut convert: impl FnMut(Stored) -> Result<T, String>,
) -> Result<(Vec<T>, Vec<NotPlanned>), Failure> {
    let mut seen = HashSet::new();
    let ids: Vec<&str> = ids
        .iter()
        .map(String::as_str)
        .filter(|id| seen.insert(*id))
        .collect();
    let (mut found, mut not_planned) = (Vec::new(), Vec::new());
    for (id, stored) in ids.iter().zip(api.get_many(&ids).await?) {
        match stored.map(&mut convert) {
            None => not_planned.push(NotPlanned::missing(*id)),
            Some(Ok(converted)) => found.push(converted),
            Some(Err(why)) => not_planned.push(NotPlanned::skipped(*id, why)),
        }
    }
    Ok((found, not_planned))
}
