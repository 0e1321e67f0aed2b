//! `directives verify`: reports who has validly signed each stored directive, and whether the
//! directive satisfies the signature policy of a proxy.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use opensearch_directives::admin::{DirectivesApi, Stored};
use opensearch_directives::document::{DecodeLimits, Signature, decode};
use opensearch_directives::signatures::Trust;
use opensearch_directives::{Clock as _, Config, SystemClock};
use serde_json::{Value, json};

use super::connection::{ConnectionArgs, TimeoutArgs};
use super::directive_text::printable;
use super::exit::{Exit, Failure};
use super::output::{ReportFormat, note, print, print_json};
use super::signature_args::SignatureArgs;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  directives verify --trusted-keys signers.pub
  directives verify slow-acme --trusted-keys alice.pub,bob.pub --signatures policy policy.json

The exit code is 1 if a proxy with these keys would reject one of the directives. Revoked ones
apply nowhere and are not verified.")]
pub(super) struct VerifyArgs {
    /// The directives' ids [default: all]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: Vec<String>,

    /// Format of the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: ReportFormat,

    #[command(flatten)]
    signatures: SignatureArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

/// The result of checking the signatures of one directive. A proxy with the same trusted keys and
/// the same policy accepts or rejects the directive in the same way.
struct Verdict {
    id: String,
    signers: Vec<String>,
    /// The names of the signers whose keys are not among the trusted keys.
    unknown: Vec<String>,
    problem: Option<String>,
}

pub(super) async fn run(args: VerifyArgs) -> Result<Exit, Failure> {
    let Some(checks) = args.signatures.checks()? else {
        return Err(Failure::usage("give the signers' keys with --trusted-keys"));
    };
    let (keys, policy) = checks.read().map_err(Failure::usage)?;
    let trust = Trust::new(keys, policy);
    let api = DirectivesApi::new(args.connection.client(args.timeout).await?);
    let (found, missing) = read(&api, &args.id).await?;
    let uuid = api.index_uuid().await?;
    let verdicts: Vec<Verdict> = found
        .iter()
        .filter(|stored| !stored.is_revoked())
        .map(|stored| verdict(&trust, stored, &uuid))
        .collect();
    report(&verdicts, args.output.is_json())?;
    for id in &missing {
        note(&format!("error: there is no directive {}", printable(id)));
    }
    Ok(if verdicts.iter().any(|one| one.problem.is_some()) {
        Exit::Other
    } else if missing.is_empty() {
        Exit::Success
    } else {
        Exit::NotFound
    })
}

/// Reads the stored directives with the given ids, or all directives if no id is given. Also
/// returns the given ids for which the index contains no directive.
async fn read(api: &DirectivesApi, ids: &[String]) -> Result<(Vec<Stored>, Vec<String>), Failure> {
    if ids.is_empty() {
        return Ok((api.list().await?, Vec::new()));
    }
    let wanted: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for (id, stored) in ids.iter().zip(api.get_many(&wanted).await?) {
        match stored {
            Some(stored) => found.push(stored),
            None => missing.push(id.clone()),
        }
    }
    Ok((found, missing))
}

fn verdict(trust: &Trust, stored: &Stored, uuid: &str) -> Verdict {
    let limits = DecodeLimits {
        now: SystemClock.now(),
        max_ttl: Config::DEFAULT_MAX_TTL,
    };
    let id = stored.id.clone();
    match decode(&stored.id, stored.source.get(), &limits) {
        Ok(document) => {
            let verdict = trust.verdict(&document, uuid);
            Verdict {
                signers: verdict.signers().to_vec(),
                unknown: verdict.unknown_signers().to_vec(),
                problem: verdict.rejection(&id).map(|problem| problem.to_string()),
                id,
            }
        }
        Err(rejection) => Verdict {
            id,
            signers: Vec::new(),
            unknown: Vec::new(),
            problem: Some(rejection.to_string()),
        },
    }
}

fn report(verdicts: &[Verdict], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let all: Value = verdicts
            .iter()
            .map(|one| {
                json!({
                    "id": one.id, "signers": one.signers, "unknown": one.unknown,
                    "problem": one.problem,
                })
            })
            .collect();
        return print_json(&all);
    }
    if verdicts.is_empty() {
        return print("no directives");
    }
    for one in verdicts {
        let id = printable(&one.id);
        let line = match &one.problem {
            Some(problem) => format!("rejected {id}: {}", printable(problem)),
            None if one.signers.is_empty() => format!("accepted {id}: not signed"),
            None => format!("accepted {id}: signed by {}", one.signers.join(", ")),
        };
        let unknown = match &one.unknown[..] {
            [] => String::new(),
            names => format!("; the key of {} is not trusted", names.join(", ")),
        };
        print(&format!("{line}{unknown}"))?;
    }
    Ok(())
}

/// Returns the names of the signers that a document states; the function does not check the
/// signatures.
pub(super) fn signers(signatures: &[Signature]) -> String {
    let names: Vec<&str> = signatures.iter().map(Signature::signer).collect();
    names.join(", ")
}
