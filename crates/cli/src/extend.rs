//! `directives extend`: moves the end of directives to a later instant.

use std::time::Duration;

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use opensearch_directives::admin::Stored;
use opensearch_directives::document::{Draft, Expiry};

use super::duration::parse;
use super::edit::{draft_of, ended};
use super::exit::{Exit, Failure};
use super::instant::When;
use super::sign_args::SignArgs;
use super::ttl_limits::TtlLimits;
use super::write_args::WriteArgs;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("end").args(["by", "until"]).required(true))]
pub(super) struct ExtendArgs {
    /// The ids of the directives
    #[arg(required = true)]
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
    let ids: Vec<&str> = args.id.iter().map(String::as_str).collect();
    let (mut stored, mut drafts, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for (id, read) in args.id.iter().zip(api.get_many(&ids).await?) {
        match read {
            Some(read) => {
                drafts.push(args.extended(&read, &author, now)?);
                stored.push(Some(read));
            }
            None => missing.push(id.clone()),
        }
    }
    limits.check(&drafts, now)?;
    let plan = signer.plan(&api, &mut drafts, Some(stored)).await?;
    args.write.execute(&api, plan, missing, now).await
}

impl ExtendArgs {
    fn extended(&self, stored: &Stored, author: &str, now: Timestamp) -> Result<Draft, Failure> {
        let document = ended(stored, now)?;
        let present = document.directive.expires_at;
        let beyond = |text: &str| Failure::usage(format!("{}: {text}", stored.id));
        let end = match (self.by, self.until) {
            (Some(by), _) => present
                .checked_add(by)
                .map_err(|_| beyond("the new end is too far in the future"))?,
            (None, Some(until)) => until
                .resolve(now, TimeZone::system())
                .map_err(|error| beyond(&format!("--until: {error}")))?,
            (None, None) => return Err(beyond("give --by or --until")),
        };
        if end < present {
            return Err(beyond(&format!(
                "--until {end} is before its present end {present}; to shorten it, use `edit`"
            )));
        }
        let mut draft = draft_of(document, author);
        draft.expiry = Expiry::At(end);
        Ok(draft)
    }
}
