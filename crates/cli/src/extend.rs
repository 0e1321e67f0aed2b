//! `directives extend`: moves the end of directives to a later time.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args};
use jiff::Timestamp;
use opensearch_directives::admin::Stored;
use opensearch_directives::document::{Draft, Expiry};

use super::duration::parse;
use super::edit::{changeable, draft_of};
use super::exit::{Exit, Failure};
use super::instant::{When, resolve_and_show, to_the_second};
use super::risky_writes::{reactivates, without_ended};
use super::selection::read_named;
use super::sign_args::SignArgs;
use super::ttl_limits::TtlLimits;
use super::write_args::WriteArgs;

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("end").args(["by", "until"]).required(true),
    after_help = "\
Examples:
  directives extend slow-acme --by 15m
  directives extend slow-acme slow-umbrella --until 18:00

A directive that has ended cannot be extended; it is skipped, and the others are extended."
)]
pub(super) struct ExtendArgs {
    /// The ids of the directives
    #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
    id: Vec<String>,

    /// How much longer each directive applies, counted from its present end
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    by: Option<Duration>,

    /// The new end: +15m (from now), 18:00 (local time, today or tomorrow), or an RFC 3339 time
    #[arg(long, value_name = "TIME")]
    until: Option<When>,

    /// The longest time to live that this command accepts; it cannot exceed the maximum of the
    /// cluster [default: that maximum, initially 30d]
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    max_ttl: Option<Duration>,

    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    write: WriteArgs,
}

pub(super) async fn run(args: ExtendArgs) -> Result<Exit, Failure> {
    let signer = args.sign.signer()?;
    let api = args.write.api().await?;
    let limits = TtlLimits::read(&api, args.max_ttl).await?;
    let api = api.with_max_ttl(limits.max_ttl);
    let author = args.write.author(&api).await?;
    let now = api.now().await?;
    let until = args
        .until
        .map(|until| resolve_and_show("--until", until, now, now))
        .transpose()
        .map_err(|error| Failure::usage(format!("--until: {error}")))?;
    let (found, mut not_planned) = read_named(&api, &args.id, |stored| {
        let draft = args.extended(&stored, until, &author, now)?;
        Ok((draft, Some(stored)))
    })
    .await?;
    let (mut drafts, stored): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let flag = if args.by.is_some() { "--by" } else { "--until" };
    limits.check(&drafts, Some(flag), now)?;
    let plan = signer.plan(&api, &mut drafts, Some(stored)).await?;
    // A directive may have ended after the command read the time.
    let plan = without_ended(plan, &mut not_planned, reactivates);
    args.write.execute(&api, plan, not_planned, now).await
}

impl ExtendArgs {
    /// Returns a draft of the directive with its new end, or the reason why the command cannot
    /// extend the directive.
    fn extended(
        &self,
        stored: &Stored,
        until: Option<Timestamp>,
        author: &str,
        now: Timestamp,
    ) -> Result<Draft, String> {
        let document = changeable(stored, now)?;
        let present = document.directive.expires_at;
        let end = match (self.by, until) {
            (Some(by), _) => present
                .checked_add(by)
                .map_err(|_| "--by: the new end is too far in the future".to_owned())?,
            (None, Some(until)) => until,
            (None, None) => return Err("give --by or --until".to_owned()),
        };
        if end < present {
            return Err(format!(
                "--until {} is before its present end {}; to shorten it, use `directives edit`",
                to_the_second(end),
                to_the_second(present)
            ));
        }
        let mut draft = draft_of(document, author);
        draft.expiry = Expiry::At(end);
        Ok(draft)
    }
}
