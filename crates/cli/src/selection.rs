//! Resolves the directives that a verb applies to: by ids, files, filters, or all of them.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use opensearch_directives::admin::{DirectivesApi, Stored};

use super::exit::Failure;
use super::filters::{FilterArgs, State};
use super::input;

/// A selection of directives.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("selected").args(["id", "file", "all"]))]
pub(super) struct SelectionArgs {
    /// The directives' ids
    id: Vec<String>,

    /// The directives in a file; - is standard input, as for apply
    #[arg(short, long, value_name = "FILE")]
    file: Vec<PathBuf>,

    /// All directives that have not ended
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    filters: FilterArgs,
}

/// The selected directives as they were read.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) found: Vec<Stored>,
    /// Ids of which OpenSearch says that there is no such directive.
    pub(super) missing: Vec<String>,
    /// Whether the user named each directive, so that no confirmation is needed.
    pub(super) named: bool,
}

impl SelectionArgs {
    /// Reads the selected directives.
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
                "say which directives: ids, --file, --all, or filters such as --matches tenant=acme",
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

    /// Ended directives are selected only by a filter on the state.
    fn selects(&self, stored: &Stored, now: Timestamp) -> bool {
        let ended = match State::of(stored, now) {
            State::Expired | State::Revoked => true,
            State::Active | State::Scheduled | State::Rejected => false,
        };
        self.filters.pass(stored, now) && (self.filters.has_state() || !ended)
    }

    async fn read_ids(&self, api: &DirectivesApi) -> Result<Selection, Failure> {
        let mut ids = self.id.clone();
        for draft in input::drafts(&self.file).await? {
            ids.push(draft.id);
        }
        // An id that is given twice is one directive.
        let mut seen = HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        let texts: Vec<&str> = ids.iter().map(String::as_str).collect();
        let read = api.get_many(&texts).await?;
        let mut selection = Selection {
            found: Vec::new(),
            missing: Vec::new(),
            named: true,
        };
        for (id, stored) in ids.into_iter().zip(read) {
            match stored {
                Some(stored) => selection.found.push(stored),
                None => selection.missing.push(id),
            }
        }
        Ok(selection)
    }
}
