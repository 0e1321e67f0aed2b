//! `directives apply`: creates or replaces directives, which flags or files describe. With
//! `--prune`, the command also revokes the owner's directives that the files no longer contain.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use opensearch_directives::document::{Draft, Expiry};
use opensearch_directives::{DiagLevel, EndpointKind};

use super::apply_prune::OwnerArgs;
use super::covered_by_another;
use super::duration::{length, parse, signed};
use super::exit::{Exit, Failure};
use super::flag_values;
use super::input::{self, Input};
use super::instant::{When, resolve_and_show, to_the_second};
use super::risky_writes::{Change, GuardArgs};
use super::sign_args::SignArgs;
use super::ttl_limits::TtlLimits;
use super::write_args::WriteArgs;

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("expiry").args(["ttl", "for_", "until"]),
    group = ArgGroup::new("what").args(["id", "file"]).required(true),
    after_help = "\
Examples:
  directives apply slow-acme --level ShapeTiming --tenant acme --sample 10% --reason INC-1
  directives apply night --level Shape --index orders --starts-at 02:00 --for 1h
  directives apply -f directives.yaml --dry-run
  directives apply -f directives/ --owner search-team --prune"
)]
pub(super) struct ApplyArgs {
    /// The directive's id
    #[arg(requires = "level", conflicts_with = "prune", value_parser = NonEmptyStringValueParser::new())]
    id: Option<String>,

    /// Read directives from a file or a folder; - is standard input. The format is YAML in files
    /// that end in .yaml or .yml, and JSON in all others: one document, an array, one document
    /// per line, or {"directives": [...]}
    #[arg(short, long, value_name = "FILE", conflicts_with_all = [
        "level", "tenant", "index", "principal", "endpoint", "sample", "sample_per_mille",
        "ring_buffer", "capture", "expiry", "starts_at"
    ])]
    file: Vec<PathBuf>,

    /// How much to record: Off, Shape, ShapeTiming or ShapeRewriteDiff. If several directives
    /// match, the highest level counts; a directive of level Off therefore turns nothing off
    #[arg(long, value_parser = flag_values::level)]
    level: Option<DiagLevel>,

    /// Match only requests of this tenant
    #[arg(long)]
    tenant: Option<String>,

    /// Match only requests to this index
    #[arg(long)]
    index: Option<String>,

    /// Match only requests of this principal
    #[arg(long)]
    principal: Option<String>,

    /// Match only requests to this class of endpoints, such as Search. Several, separated by
    /// commas, become one directive each: ID-Search, ID-Count
    #[arg(long, value_parser = flag_values::endpoint, value_delimiter = ',')]
    endpoint: Vec<EndpointKind>,

    /// Percentage of the matching requests to which the directive applies, such as 10% [default:
    /// 100%]
    #[arg(long, value_name = "PERCENT", value_parser = flag_values::sample, conflicts_with = "sample_per_mille")]
    sample: Option<u16>,

    /// Number of matching requests in a thousand to which the directive applies, as an integer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1000))]
    sample_per_mille: Option<u16>,

    /// Record the requests in the proxies' ring buffers
    #[arg(long)]
    ring_buffer: bool,

    /// Copy the requests and their responses to the capture sink
    #[arg(long)]
    capture: bool,

    /// Time from the write to the end of the directive, by the cluster's clock [default: that of
    /// the cluster, initially 15m; with --capture, at most 5m]
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    ttl: Option<Duration>,

    /// Duration of the directive, counted from --starts-at
    #[arg(long = "for", value_name = "DURATION", value_parser = parse)]
    for_: Option<Duration>,

    /// When the directive ends: +15m (from now), 18:00 (local time, today or tomorrow), or an RFC
    /// 3339 time
    #[arg(long, value_name = "TIME", visible_alias = "expires-at")]
    until: Option<When>,

    /// When the directive starts, in any format that --until accepts [default: at once]
    #[arg(long, value_name = "TIME")]
    starts_at: Option<When>,

    /// The reason, shown to other people; with --file, this is set only for directives without a
    /// reason
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// The ticket that the directive belongs to; with --file, this is set only for directives
    /// without a ticket
    #[arg(long, value_name = "TEXT")]
    ticket: Option<String>,

    /// The longest time to live that this command accepts; it cannot exceed the maximum of the
    /// cluster [default: that maximum, initially 30d]
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    max_ttl: Option<Duration>,

    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    owner: OwnerArgs,
    #[command(flatten)]
    guards: GuardArgs,
    #[command(flatten)]
    write: WriteArgs,
}

pub(super) async fn run(mut args: ApplyArgs) -> Result<Exit, Failure> {
    let from_flags = args.file.is_empty();
    let mut input = if from_flags {
        Input {
            drafts: args.drafts()?,
            skipped: Vec::new(),
        }
    } else {
        input::read(&args.file, args.guards.ended()).await?
    };
    let drafts = &mut input.drafts;
    args.owner.assign(drafts)?;
    args.guards.check_drafts(drafts)?;
    let signer = args.sign.signer()?;
    let api = args.write.api().await?;
    let now = api.now().await?;
    let flag = from_flags.then(|| args.end_flag());
    if from_flags {
        args.set_times(drafts, now)?;
    }
    let limits = TtlLimits::read(&api, args.max_ttl).await?;
    limits.prepare(drafts, flag, now)?;
    let api = api.with_max_ttl(limits.max_ttl);
    let author = args.write.author(&api).await?;
    for draft in &mut *drafts {
        draft.author = Some(author.clone());
        draft.reason = draft.reason.take().or_else(|| args.reason.clone());
        draft.ticket = draft.ticket.take().or_else(|| args.ticket.clone());
    }
    let mut plan = signer.plan(&api, drafts, None).await?;
    covered_by_another::warn(&api, &plan, now).await;
    let reason = args.reason.as_deref();
    let pruned = args
        .owner
        .plan_prune(&api, &input, Some(&author), reason)
        .await?;
    let question = args.owner.question(&pruned);
    plan.extend(pruned);
    args.guards.check_plan(
        &args.write,
        &plan,
        &author,
        Change::Replacement,
        question,
        now,
    )?;
    args.write.execute(&api, plan, Vec::new(), now).await
}

impl ApplyArgs {
    /// Returns one draft for each `--endpoint`, because a directive has at most one endpoint. The
    /// drafts do not contain their start and end yet.
    fn drafts(&mut self) -> Result<Vec<Draft>, Failure> {
        let mut endpoints = std::mem::take(&mut self.endpoint);
        endpoints.sort_by_key(|endpoint| endpoint.as_str());
        endpoints.dedup();
        let mut draft = self.draft()?;
        if let [endpoint] = endpoints[..] {
            draft.match_.endpoint = Some(endpoint);
        }
        if endpoints.len() < 2 {
            return Ok(vec![draft]);
        }
        let drafts = endpoints.into_iter().map(|endpoint| {
            let mut one = draft.clone();
            one.id = format!("{}-{endpoint}", draft.id);
            one.match_.endpoint = Some(endpoint);
            one
        });
        Ok(drafts.collect())
    }

    fn draft(&mut self) -> Result<Draft, Failure> {
        let (Some(id), Some(level)) = (self.id.take(), self.level) else {
            return Err(Failure::usage("give an id and --level, or --file"));
        };
        let mut draft = Draft::new(id, level, Expiry::SiteDefault);
        draft.match_.tenant = self.tenant.take();
        draft.match_.index = self.index.take();
        draft.match_.principal = self.principal.take();
        draft.sample_per_mille = self.sample.or(self.sample_per_mille).unwrap_or(1000);
        draft.ring_buffer = self.ring_buffer;
        draft.capture = self.capture;
        Ok(draft)
    }

    /// Sets the start and the end of all drafts. The start and the end are relative to the
    /// cluster's time, because the clock of this machine may be wrong.
    fn set_times(&self, drafts: &mut [Draft], now: Timestamp) -> Result<(), Failure> {
        let starts_at = self
            .starts_at
            .map(|start| resolve_and_show("--starts-at", start, now, now))
            .transpose()
            .map_err(|error| Failure::usage(format!("--starts-at: {error}")))?;
        let expiry = self.expiry(starts_at, now)?;
        self.check_end(expiry, starts_at, now)?;
        for draft in drafts {
            draft.starts_at = starts_at;
            draft.expiry = expiry;
        }
        Ok(())
    }

    /// Returns the name of the flag that states the end or the duration of the directive.
    fn end_flag(&self) -> &'static str {
        match (self.until, self.for_) {
            (Some(_), _) => "--until",
            (None, Some(_)) => "--for",
            (None, None) => "--ttl",
        }
    }

    /// Returns an error if the directives would end in the past, or not after their start.
    fn check_end(
        &self,
        expiry: Expiry,
        starts_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let problem = match (expiry, starts_at) {
            (Expiry::At(end), _) if end <= now => {
                format!("{} {} is in the past", self.end_flag(), to_the_second(end))
            }
            (Expiry::At(end), Some(start)) if end <= start => format!(
                "{} {} is not after --starts-at {}",
                self.end_flag(),
                to_the_second(end),
                to_the_second(start)
            ),
            (Expiry::After(ttl), Some(start)) if start.duration_since(now) >= signed(ttl) => {
                let ttl = length(signed(ttl));
                format!(
                    "--ttl {ttl} counts from now, so the directive would end before --starts-at \
                     {}; to count from the start, use --for {ttl}",
                    to_the_second(start)
                )
            }
            _ => return Ok(()),
        };
        Err(Failure::usage(problem))
    }

    fn expiry(&self, starts_at: Option<Timestamp>, now: Timestamp) -> Result<Expiry, Failure> {
        // A time of day in `--until` means the first instant after the start of the directive at
        // which the local clock shows this time.
        let begin = starts_at.map_or(now, |start| start.max(now));
        if let Some(until) = self.until {
            let end = resolve_and_show("--until", until, now, begin);
            return end
                .map(Expiry::At)
                .map_err(|error| Failure::usage(format!("--until: {error}")));
        }
        if let Some(ttl) = self.ttl {
            return Ok(Expiry::After(ttl));
        }
        match (self.for_, starts_at) {
            (None, _) => Ok(Expiry::SiteDefault),
            (Some(length), None) => Ok(Expiry::After(length)),
            (Some(length), Some(start)) => {
                let end = When::In(length).resolve(start, &TimeZone::UTC);
                end.map(Expiry::At)
                    .map_err(|error| Failure::usage(format!("--for: {error}")))
            }
        }
    }
}
