//! `directives explain`: evaluates a request, and shows which directives apply to it. For each
//! directive that does not apply, the command shows the first condition that the request does not
//! meet.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use opensearch_directives::admin::DirectivesApi;
use opensearch_directives::document::Document;
use opensearch_directives::{Decision, DirectiveSet, EndpointKind, RequestAttrs};
use serde_json::{Value, json};

use super::agent_client::{AgentClient, AgentUrl};
use super::connection::{ConnectionArgs, TimeoutArgs};
use super::directive_text::{self, printable, summary};
use super::exit::{Exit, Failure};
use super::explain_source::{self, Candidate};
use super::field_filters::State;
use super::flag_values;
use super::instant::clock;
use super::output::{ReportFormat, print, print_json};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  directives explain --tenant acme --index orders --principal checkout --endpoint Search
  directives explain --index orders --principal checkout --endpoint Search \\
    --agent unix:/run/directives/agent.sock")]
pub(super) struct ExplainArgs {
    /// The tenant of the request; without this flag, the request has no tenant
    #[arg(long)]
    tenant: Option<String>,

    /// The index of the request
    #[arg(long)]
    index: String,

    /// The principal of the request
    #[arg(long)]
    principal: String,

    /// The class of endpoints of the request, such as Search
    #[arg(long, value_parser = flag_values::endpoint)]
    endpoint: EndpointKind,

    /// The id of the request, which decides whether a sample contains it; without this flag, only
    /// a sample of 100% contains the request
    #[arg(long, value_name = "ID", default_value = "")]
    request_id: String,

    /// Format of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: ReportFormat,

    /// Let this agent decide instead of reading the index: http://HOST:9980, https://HOST:9980, or
    /// unix: and the path of a socket. If the agent's certificate is from a private CA,
    /// --ca-certificate is needed
    #[arg(long, value_name = "URL")]
    agent: Option<AgentUrl>,

    /// File that contains the bearer token for the agent (or set DIRECTIVES_AGENT_TOKEN)
    #[arg(long, value_name = "FILE", requires = "agent")]
    agent_token_file: Option<PathBuf>,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

/// Whether one directive applies to the request, and the reason for this.
struct Verdict {
    id: String,
    applies: bool,
    /// The rank of the directive in the output: the more conditions of the directive the request
    /// meets, the higher the rank.
    held: usize,
    reason: String,
}

pub(super) async fn run(args: ExplainArgs) -> Result<Exit, Failure> {
    let mut request = RequestAttrs::new(&args.index, &args.principal, args.endpoint);
    request.tenant = args.tenant.as_deref();
    let evidence = if let Some(agent) = &args.agent {
        let agent = args.agent_client(agent)?;
        explain_source::from_agent(&agent, &request, &args.request_id).await?
    } else {
        let api = DirectivesApi::new(args.connection.client(args.timeout).await?);
        explain_source::from_index(&api, &request, &args.request_id).await?
    };
    let mut verdicts: Vec<Verdict> = evidence
        .directives
        .iter()
        .map(|candidate| {
            let found = verdict(candidate, &request, evidence.now, &args.request_id);
            match &evidence.applied_by_agent {
                Some(applied) => found.by_agent(applied.contains(&candidate.id)),
                None => found,
            }
        })
        .collect();
    verdicts.sort_by_key(|verdict| (!verdict.applies, std::cmp::Reverse(verdict.held)));
    print_verdicts(evidence.decision, &verdicts, args.output.is_json())?;
    Ok(Exit::Success)
}

impl ExplainArgs {
    fn agent_client(&self, agent: &AgentUrl) -> Result<AgentClient, Failure> {
        AgentClient::with_token_file(
            agent,
            self.agent_token_file.as_ref(),
            self.connection.ca_certificate(),
            self.timeout.request_timeout(),
        )
    }
}

impl Verdict {
    /// Replaces the verdict that this process computed by the verdict of the agent. The agent's
    /// verdict may differ, because the agent has another clock and perhaps another set.
    fn by_agent(mut self, applies: bool) -> Self {
        if self.applies && !applies {
            self.reason = format!("the agent does not apply it ({})", self.reason);
        } else if applies && !self.applies {
            self.reason = format!("the agent applies it ({})", self.reason);
        }
        self.applies = applies;
        self
    }
}

fn print_verdicts(decision: Decision, verdicts: &[Verdict], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let directives: Vec<Value> = verdicts
            .iter()
            .map(|one| json!({ "id": one.id, "applies": one.applies, "reason": one.reason }))
            .collect();
        let report = json!({ "decision": decision, "directives": directives });
        print_json(&report)?;
        return Ok(());
    }
    print(&format!("decision: {}", directive_text::decision(decision)))?;
    for one in verdicts {
        let word = if one.applies {
            "applies"
        } else {
            "does not apply"
        };
        print(&format!(
            "  {} {word}: {}",
            printable(&one.id),
            printable(&one.reason)
        ))?;
    }
    Ok(())
}

fn verdict(candidate: &Candidate, request: &RequestAttrs<'_>, now: Timestamp, id: &str) -> Verdict {
    let missed = match &candidate.document {
        Err(problem) => Err((0, problem.clone())),
        Ok(document) => first_miss(document, candidate.state, request, now, id),
    };
    let (applies, held, reason) = match missed {
        Ok(reason) => (true, usize::MAX, reason),
        Err((held, reason)) => (false, held, reason),
    };
    Verdict {
        id: candidate.id.clone(),
        applies,
        held,
        reason,
    }
}

/// Returns what the directive records for the request. If the request does not meet a condition of
/// the directive, returns this condition and the rank of the directive as the error.
fn first_miss(
    document: &Document,
    state: State,
    request: &RequestAttrs<'_>,
    now: Timestamp,
    request_id: &str,
) -> Result<String, (usize, String)> {
    let directive = &document.directive;
    let match_ = &directive.match_;
    let endpoint = match_.endpoint.map(EndpointKind::as_str);
    let targets = [
        ("tenant", match_.tenant.as_deref(), request.tenant),
        ("index", match_.index.as_deref(), Some(request.index)),
        (
            "principal",
            match_.principal.as_deref(),
            Some(request.principal),
        ),
        ("endpoint", endpoint, Some(request.endpoint.as_str())),
    ];
    let held = targets
        .iter()
        .filter(|(_, target, value)| target.is_none() || target == value)
        .count();
    for (field, target, value) in targets {
        let Some(target) = target else { continue };
        if value == Some(target) {
            continue;
        }
        let near = value.is_some_and(|value| {
            value.trim().eq_ignore_ascii_case(target.trim())
                || strsim::damerau_levenshtein(value, target) == 1
        });
        let reason = match value {
            Some(value) => format!("{field}: {target:?} ≠ {value:?}"),
            None => format!("{field}: {target:?}, and the request has none"),
        };
        return Err((held * 2 + usize::from(near), reason));
    }
    // The request meets all targets, so only the state or the sample of the directive can exclude
    // it.
    effect(document, state, request, now, request_id).map_err(|reason| (9, reason))
}

/// Returns what a directive records for a request that meets all its targets, or the reason why the
/// directive does not apply now.
fn effect(
    document: &Document,
    state: State,
    request: &RequestAttrs<'_>,
    now: Timestamp,
    request_id: &str,
) -> Result<String, String> {
    let directive = &document.directive;
    match state {
        State::Revoked => Err("it is revoked".to_owned()),
        State::Expired => Err(format!("it ended {}", clock(directive.expires_at, now))),
        State::Scheduled => {
            let start = directive.starts_at.unwrap_or(now);
            Err(format!("it starts {}", clock(start, now)))
        }
        State::Rejected => Err("it is malformed".to_owned()),
        State::Active => {
            let alone = DirectiveSet::from_directives(vec![directive.clone()]);
            if alone
                .explain(request, now, request_id)
                .directives
                .is_empty()
            {
                let rate = flag_values::per_mille(directive.sample_per_mille);
                return Err(format!("the request is not in its sample of {rate}"));
            }
            Ok(summary(document))
        }
    }
}
