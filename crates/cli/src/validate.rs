//! `directives validate`: checks the directives in files with the decoder that proxies use, and on
//! request also against the cluster's limits on the time to live.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use opensearch_directives::admin::DirectivesApi;
use opensearch_directives::document::{DecodeLimits, Draft};
use opensearch_directives::internal::visible;
use opensearch_directives::{Clock as _, SystemClock};
use serde_json::json;

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::directive_text::printable;
use super::duration::parse;
use super::exit::{Exit, Failure};
use super::input;
use super::output::{ReportFormat, note, print, print_json, warn};
use super::report_wording::count;
use super::risky_writes::{self, GuardArgs};
use super::ttl_limits::{self, TtlLimits};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  directives validate -f directives.yaml
  directives validate -f directives/ -o json

All problems are reported. The exit code is 2 if there is one.")]
pub(super) struct ValidateArgs {
    /// A file or a folder, in the formats of `apply`; - is standard input
    #[arg(short, long, value_name = "FILE", required = true)]
    file: Vec<PathBuf>,

    /// The longest time to live that this command accepts [default: 30d; with --with-cluster,
    /// the maximum of the cluster]
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    max_ttl: Option<Duration>,

    /// Also read the lifetime limits of the cluster from its pipeline
    #[arg(long)]
    with_cluster: bool,

    #[command(flatten)]
    guards: GuardArgs,

    /// Format of the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: ReportFormat,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

/// The reason why a directive in a file is invalid, or why the file cannot be read.
struct Problem {
    file: PathBuf,
    /// The id of the invalid directive; `None` if the problem concerns the whole file.
    id: Option<String>,
    text: String,
}

/// The number of directives in the checked files, and the problems that were found.
#[derive(Default)]
struct Checked {
    directives: usize,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

pub(super) async fn run(args: ValidateArgs) -> Result<Exit, Failure> {
    let limits = if args.with_cluster {
        let api = DirectivesApi::new(args.connection.client(args.timeout).await?);
        let limits = TtlLimits::read(&api, args.max_ttl).await?;
        if !limits.are_of_cluster() {
            note(
                "note: the lifetime limits of the cluster are not known, because the role does not \
                 permit reading its pipeline, or the pipeline does not exist; the pipeline may refuse \
                 what is valid here",
            );
        }
        limits
    } else {
        TtlLimits::without_cluster_limits(args.max_ttl)
    };
    let mut checked = Checked::default();
    let mut files = HashMap::new();
    for file in input::expand(&args.file).await? {
        match input::read_file(&file, args.guards.ended()).await {
            Err(failure) => checked.add(&file, None, failure.text()),
            Ok(input) => args.check(&file, input.drafts, &limits, &mut files, &mut checked)?,
        }
    }
    checked.print(args.output.is_json())?;
    Ok(if checked.problems.is_empty() {
        Exit::Success
    } else {
        Exit::Usage
    })
}

impl ValidateArgs {
    /// Checks the drafts in one file, and adds the problems that it finds to `checked`. The map
    /// `files` contains the file of each id that was already checked, so that the function detects
    /// a repeated id.
    fn check(
        &self,
        file: &Path,
        drafts: Vec<Draft>,
        limits: &TtlLimits,
        files: &mut HashMap<String, PathBuf>,
        checked: &mut Checked,
    ) -> Result<(), Failure> {
        let now = SystemClock.now();
        let decoding = DecodeLimits {
            now,
            max_ttl: limits.max_ttl,
        };
        for mut draft in drafts {
            checked.directives += 1;
            limits.set_default(&mut draft)?;
            let twice = files.insert(draft.id.clone(), file.to_owned());
            let twice = twice.map(|first| format!("the id is also in {}", first.display()));
            let problem = twice
                .or_else(|| self.guards.problem(&draft))
                .or_else(|| limits.problem(&draft, None, now))
                .or_else(|| draft.check(&decoding).err().map(|wrong| wrong.to_string()));
            if let Some(problem) = problem {
                checked.add(file, Some(draft.id), problem);
            } else {
                checked.warnings.extend(risky_writes::warning(&draft));
                checked.warnings.extend(ttl_limits::warning(&draft, now));
            }
        }
        Ok(())
    }
}

impl Checked {
    fn add(&mut self, file: &Path, id: Option<String>, text: String) {
        self.problems.push(Problem {
            file: file.to_owned(),
            id,
            text,
        });
    }

    fn print(&self, as_json: bool) -> Result<(), Failure> {
        warn(&self.warnings);
        if as_json {
            let problems: Vec<_> = self
                .problems
                .iter()
                .map(|one| {
                    // The path may contain bytes that are not UTF-8, which JSON cannot represent.
                    let file = one.file.to_string_lossy();
                    json!({ "file": file, "id": one.id, "problem": one.text })
                })
                .collect();
            return print_json(&json!({ "directives": self.directives, "problems": problems }));
        }
        for one in &self.problems {
            let place = match &one.id {
                Some(id) => format!("{}: {}: ", one.file.display(), printable(id)),
                // If a problem concerns the whole file, the text of the problem already names the
                // file.
                None => String::new(),
            };
            print(&format!("invalid {place}{}", visible(&one.text, true)))?;
        }
        let invalid = self.problems.iter().filter(|one| one.id.is_some()).count();
        print(&format!(
            "{} of {} valid",
            self.directives - invalid,
            count(self.directives, "directive")
        ))
    }
}
