//! `directives apply`

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use opensearch_directives::admin::DirectivesApi;
use opensearch_directives::document::{Draft, Expiry, parse_drafts};
use opensearch_directives::{Config, DiagLevel, DirectiveMatch, EndpointKind};
use tokio::io::AsyncReadExt as _;

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::duration::{parse, parse_time};
use super::exit::Failure;
use super::output::print;

/// How much of a file is read: a byte more than is taken, so that too much is seen.
const READ_AT_MOST: u64 = (64 << 20) + 1;

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("expiry").args(["ttl", "expires_at"]),
    group = ArgGroup::new("what").args(["id", "file"]).required(true)
)]
pub(super) struct ApplyArgs {
    /// The directive's id
    #[arg(requires_all = ["level", "expiry"])]
    id: Option<String>,

    /// Read directives from a file, - for standard input: one document, an array, one
    /// document a line, or {"directives": [...]}
    #[arg(short, long, value_name = "FILE", conflicts_with_all = [
        "level", "tenant", "index", "principal", "endpoint", "sample_per_mille", "ring_buffer",
        "capture", "expiry", "starts_at", "reason", "ticket"
    ])]
    file: Option<PathBuf>,

    /// How much to record: Off, Shape, ShapeTiming or ShapeRewriteDiff
    #[arg(long)]
    level: Option<DiagLevel>,

    /// Only requests of this tenant
    #[arg(long)]
    tenant: Option<String>,

    /// Only requests to this index
    #[arg(long)]
    index: Option<String>,

    /// Only requests of this principal
    #[arg(long)]
    principal: Option<String>,

    /// Only requests to this class of endpoint, such as Search
    #[arg(long)]
    endpoint: Option<EndpointKind>,

    /// How many of a thousand matching requests
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(0..=1000))]
    sample_per_mille: u16,

    /// Record into the proxies' ring buffers
    #[arg(long)]
    ring_buffer: bool,

    /// Copy the exchanges to the capture sink
    #[arg(long)]
    capture: bool,

    /// How long, from when the cluster writes it: 15m, 2h
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    ttl: Option<Duration>,

    /// Until when, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    expires_at: Option<Timestamp>,

    /// From when on, RFC 3339 [default: at once]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    starts_at: Option<Timestamp>,

    /// Why, for people
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// The ticket it belongs to
    #[arg(long, value_name = "TEXT")]
    ticket: Option<String>,

    /// Who asks [default: the user's name]
    #[arg(long, value_name = "NAME")]
    author: Option<String>,

    /// How far ahead an expiry may lie
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = parse)]
    max_ttl: Duration,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

pub(super) async fn run(mut args: ApplyArgs) -> Result<(), Failure> {
    let author = author(args.author.take());
    let writer =
        DirectivesApi::new(args.connection.client(args.timeout).await?).with_max_ttl(args.max_ttl);
    let mut drafts = match args.file.take() {
        Some(file) => parse_drafts(&read(file).await?)?,
        None => vec![args.draft()?],
    };
    for draft in &mut drafts {
        if draft.author.is_none() {
            draft.author.clone_from(&author);
        }
    }
    writer.apply(&drafts).await?;
    for draft in &drafts {
        print(&format!("applied {}", draft.id))?;
    }
    Ok(())
}

/// Who acts: as given, else the user's name.
pub(super) fn author(given: Option<String>) -> Option<String> {
    given
        .or_else(|| std::env::var("USER").ok())
        .filter(|name| !name.is_empty())
}

impl ApplyArgs {
    fn draft(self) -> Result<Draft, Failure> {
        // Clap has made sure of these three.
        let missing = || Failure::usage("give an id, --level, and --ttl or --expires-at");
        let expiry = self
            .ttl
            .map(Expiry::After)
            .or(self.expires_at.map(Expiry::At))
            .ok_or_else(missing)?;
        let mut draft = Draft::new(
            self.id.ok_or_else(missing)?,
            self.level.ok_or_else(missing)?,
            expiry,
        );
        draft.match_ = DirectiveMatch {
            tenant: self.tenant,
            index: self.index,
            principal: self.principal,
            endpoint: self.endpoint,
        };
        draft.sample_per_mille = self.sample_per_mille;
        draft.ring_buffer = self.ring_buffer;
        draft.capture = self.capture;
        draft.starts_at = self.starts_at;
        draft.reason = self.reason;
        draft.ticket = self.ticket;
        Ok(draft)
    }
}

async fn read(file: PathBuf) -> Result<Vec<u8>, Failure> {
    let mut input = Vec::new();
    let read = if file.as_os_str() == "-" {
        let stdin = tokio::io::stdin().take(READ_AT_MOST);
        { stdin }.read_to_end(&mut input).await
    } else {
        match tokio::fs::File::open(&file).await {
            Ok(open) => open.take(READ_AT_MOST).read_to_end(&mut input).await,
            Err(error) => Err(error),
        }
    };
    match read {
        Ok(_) => Ok(input),
        Err(error) => Err(Failure::usage(format!(
            "cannot read {}: {error}",
            file.display()
        ))),
    }
}

/// The flag's default is the library's.
const _: () = assert!(Config::DEFAULT_MAX_TTL.as_secs() == 30 * 24 * 3600);
