//! `directives edit`: changes single fields of one stored directive, by flags or in an editor.

use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;
use opensearch_directives::admin::Stored;
use opensearch_directives::document::{Document, Draft, Expiry};

use super::duration::parse;
use super::editor::EditedFile;
use super::exit::{Exit, Failure};
use super::field_filters::State;
use super::flag_values;
use super::instant::{When, resolve_and_show};
use super::risky_writes::{Change, GuardArgs};
use super::selection::read_named;
use super::sign_args::SignArgs;
use super::ttl_limits::TtlLimits;
use super::write_args::WriteArgs;

#[derive(Debug, Args)]
#[command(after_help = "\
Fields: level, tenant, index, principal, endpoint, sample, ring_buffer, capture, starts_at,
expires_at, reason, ticket, owner.

Examples:
  directives edit slow-acme --set level=Shape --unset capture
  directives edit slow-acme --set tenant=acme --set sample=5%
  directives edit slow-acme                   # in $VISUAL or $EDITOR")]
pub(super) struct EditArgs {
    /// The id of the directive
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,

    /// Set a field; repeat the flag to set several fields
    #[arg(long, value_name = "FIELD=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,

    /// Remove a field; without a target, the directive matches every value of that field
    #[arg(long, value_name = "FIELD")]
    unset: Vec<String>,

    /// The longest time to live that this command accepts; it cannot exceed the maximum of the
    /// cluster [default: that maximum, initially 30d]
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    max_ttl: Option<Duration>,

    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    guards: GuardArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// The fields of a directive that `--unset` can remove.
pub(super) const FIELDS: [&str; 10] = [
    "tenant",
    "index",
    "principal",
    "endpoint",
    "ring_buffer",
    "capture",
    "starts_at",
    "reason",
    "ticket",
    "owner",
];

fn assignment(text: &str) -> Result<(String, String), String> {
    let (field, value) = text.split_once('=').ok_or("write FIELD=VALUE")?;
    Ok((field.to_owned(), value.to_owned()))
}

pub(super) async fn run(args: EditArgs) -> Result<Exit, Failure> {
    let signer = args.sign.signer()?;
    let api = args.write.api().await?;
    let limits = TtlLimits::read(&api, args.max_ttl).await?;
    let api = api.with_max_ttl(limits.max_ttl);
    let author = args.write.author(&api).await?;
    let mut now = api.now().await?;
    let id = std::slice::from_ref(&args.id);
    let (mut found, not_planned) = read_named(&api, id, |stored| {
        let draft = draft_of(changeable(&stored, now)?, &author);
        Ok((stored, draft))
    })
    .await?;
    let Some((stored, mut draft)) = found.pop() else {
        return args.write.execute(&api, Vec::new(), not_planned, now).await;
    };
    let file = if args.set.is_empty() && args.unset.is_empty() {
        Some(EditedFile::open(&draft)?)
    } else {
        args.change(&mut draft, now)?;
        None
    };
    let write = async {
        if let Some(file) = &file {
            draft = file.read(&args.id)?;
            // The command reads the cluster's time again, because the user may have spent a long
            // time in the editor.
            now = api.now().await?;
            draft.author = Some(author.clone());
        }
        let mut drafts = [draft];
        limits.check(&drafts, None, now)?;
        args.guards.check_drafts(&drafts)?;
        let stored = Some(vec![Some(stored)]);
        let plan = signer.plan(&api, &mut drafts, stored).await?;
        super::covered_by_another::warn(&api, &plan, now).await;
        args.guards
            .check_plan(&args.write, &plan, &author, Change::Edit, None, now)?;
        args.write.execute(&api, plan, Vec::new(), now).await
    };
    let written = write.await;
    match file {
        Some(file) if !args.write.is_stored() => file.keep_unwritten(written),
        Some(_) | None => written,
    }
}

impl EditArgs {
    /// Changes the fields of a draft that `--set` and `--unset` name.
    fn change(&self, draft: &mut Draft, now: Timestamp) -> Result<(), Failure> {
        for (field, value) in &self.set {
            set(draft, field, value, now)
                .map_err(|error| Failure::usage(format!("--set {field}: {error}")))?;
        }
        for field in &self.unset {
            unset(draft, field)
                .map_err(|error| Failure::usage(format!("--unset {field}: {error}")))?;
        }
        Ok(())
    }
}

/// Returns the document of an active or scheduled directive, or the reason why the command cannot
/// change the directive.
pub(super) fn changeable(stored: &Stored, now: Timestamp) -> Result<&Document, String> {
    let state = State::of(stored, now);
    match (&stored.document, state) {
        (Ok(document), State::Active | State::Scheduled) => Ok(document),
        (Err(_), _) => Err("it is malformed; write it again with `directives apply`".to_owned()),
        (Ok(_), _) => Err(format!(
            "it is {}; to let it apply again, use `directives apply --reactivate`",
            state.as_str()
        )),
    }
}

/// Converts a stored directive to a draft with the same content, for another write.
pub(super) fn draft_of(document: &Document, author: &str) -> Draft {
    let directive = &document.directive;
    let mut draft = Draft::new(
        &directive.id,
        directive.level,
        Expiry::At(directive.expires_at),
    );
    draft.match_ = directive.match_.clone();
    draft.sample_per_mille = directive.sample_per_mille;
    draft.ring_buffer = directive.ring_buffer;
    draft.capture = directive.capture;
    draft.starts_at = directive.starts_at;
    draft.reason.clone_from(&document.audit.reason);
    draft.ticket.clone_from(&document.audit.ticket);
    draft.owner.clone_from(&document.audit.owner);
    draft.author = Some(author.to_owned());
    draft.signatures.clone_from(&document.signatures);
    draft
}

fn set(draft: &mut Draft, field: &str, value: &str, now: Timestamp) -> Result<(), String> {
    let text = || Some(value.to_owned());
    let switch = || match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("write true or false".to_owned()),
    };
    let instant = || {
        let when: When = value.parse()?;
        resolve_and_show(&format!("--set {field}"), when, now, now)
    };
    match field {
        "level" => draft.level = flag_values::level(value)?,
        "tenant" => draft.match_.tenant = text(),
        "index" => draft.match_.index = text(),
        "principal" => draft.match_.principal = text(),
        "endpoint" => draft.match_.endpoint = Some(flag_values::endpoint(value)?),
        "sample" => draft.sample_per_mille = flag_values::sample(value)?,
        "sample_per_mille" => draft.sample_per_mille = flag_values::sample(&format!("{value}‰"))?,
        "ring_buffer" => draft.ring_buffer = switch()?,
        "capture" => draft.capture = switch()?,
        "starts_at" => draft.starts_at = Some(instant()?),
        "expires_at" => draft.expiry = Expiry::At(instant()?),
        "ttl" => draft.expiry = Expiry::After(parse(value)?),
        "reason" => draft.reason = text(),
        "ticket" => draft.ticket = text(),
        "owner" => draft.owner = text(),
        _ => return Err(unknown(field)),
    }
    Ok(())
}

fn unset(draft: &mut Draft, field: &str) -> Result<(), String> {
    match field {
        "tenant" => draft.match_.tenant = None,
        "index" => draft.match_.index = None,
        "principal" => draft.match_.principal = None,
        "endpoint" => draft.match_.endpoint = None,
        "ring_buffer" => draft.ring_buffer = false,
        "capture" => draft.capture = false,
        "starts_at" => draft.starts_at = None,
        "reason" => draft.reason = None,
        "ticket" => draft.ticket = None,
        "owner" => draft.owner = None,
        "level" | "sample" | "sample_per_mille" | "expires_at" | "ttl" => {
            return Err("it cannot be removed; set another value".to_owned());
        }
        _ => return Err(unknown(field)),
    }
    Ok(())
}

fn unknown(field: &str) -> String {
    format!("there is no field {field}; `directives edit --help` lists them")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use opensearch_directives::document::{Audit, DecodeLimits, decode, encode_draft};
    use serde_json::{Map, Value, json};

    use super::*;

    type Fields = Map<String, Value>;

    /// The fields that an edit does not keep, because the command or the pipeline sets them at each
    /// write.
    const STAMPED: [&str; 10] = [
        "targets",
        "created_at",
        "created_by",
        "updated_at",
        "updated_by",
        "authenticated_as",
        "revoked",
        "revoked_at",
        "revoked_by",
        "revoked_reason",
    ];

    /// Returns a stored document that has a value other than the default in every field.
    fn stored() -> Fields {
        let document = json!({
            "targets": ["tenant", "index", "principal", "endpoint"],
            "level": "ShapeTiming",
            "tenant": "acme",
            "index": "orders",
            "principal": "alice",
            "endpoint": "Search",
            "sample_per_mille": 5,
            "ring_buffer": true,
            "capture": true,
            "starts_at": "2030-01-01T12:00:00Z",
            "expires_at": "2030-01-01T13:00:00Z",
            "revoked": true,
            "reason": "slow",
            "ticket": "INC-1",
            "owner": "search-team",
            "created_at": "2030-01-01T11:00:00Z",
            "created_by": "bob",
            "updated_at": "2030-01-01T11:30:00Z",
            "updated_by": "carol",
            "authenticated_as": "carol@example.com",
            "revoked_at": "2030-01-01T11:30:00Z",
            "revoked_by": "dave",
            "revoked_reason": "found",
            "signatures": [format!("alice:{}:{}", "0".repeat(16), "1".repeat(128))],
        });
        document.as_object().unwrap().clone()
    }

    #[test]
    fn every_field_that_is_offered_can_be_removed() {
        let document = Value::from(stored()).to_string();
        let limits = DecodeLimits {
            now: "2030-01-01T12:00:00Z".parse().unwrap(),
            max_ttl: Duration::MAX,
        };
        let document = decode("one", &document, &limits).unwrap().to_document();
        for field in FIELDS {
            let whole = draft_of(&document, "erin");
            let mut draft = whole.clone();
            unset(&mut draft, field).unwrap();
            assert_ne!(draft, whole, "{field}");
        }
    }

    #[test]
    fn the_draft_of_a_document_has_all_of_its_fields() {
        let stored = stored();
        let template = include_str!("../../../mappings/index-template.json");
        let template: Value = serde_json::from_str(template).unwrap();
        let mapped = &template["template"]["mappings"]["properties"];
        let mapped: Vec<&String> = mapped.as_object().unwrap().keys().collect();
        assert_eq!(
            stored.keys().collect::<Vec<_>>(),
            mapped,
            "a field is new: keep it"
        );
        let limits = DecodeLimits {
            now: "2030-01-01T12:00:00Z".parse().unwrap(),
            max_ttl: Duration::MAX,
        };
        let source = Value::from(stored.clone()).to_string();
        let document = decode("one", &source, &limits).unwrap().to_document();
        let draft = encode_draft(&draft_of(&document, "erin"), &Audit::default());
        let draft: Fields = serde_json::from_str(draft.get()).unwrap();
        for (name, value) in &stored {
            if STAMPED.contains(&name.as_str()) {
                assert_ne!(draft.get(name), Some(value), "{name}");
            } else {
                assert_eq!(draft.get(name), Some(value), "{name}");
            }
        }
    }
}
