//! Refuses writes that are probably mistakes, and asks for the user's consent to writes that affect
//! many requests or another author's directives.

use clap::Args;
use jiff::Timestamp;
use opensearch_directives::admin::{ChangeEffect, PlannedKind, PlannedWrite};
use opensearch_directives::document::{Document, Draft};
use opensearch_directives::{DiagLevel, DirectiveMatch};

use super::confirm::is_interactive;
use super::directive_text::printable;
use super::exit::{Exit, Failure};
use super::input::Ended;
use super::output::warn;
use super::write_args::WriteArgs;
use super::write_result::NotPlanned;

/// The flags by which an operator consents to a write.
#[derive(Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(next_help_heading = "Safety")]
pub(super) struct GuardArgs {
    /// Accept a directive without a target, which matches every request
    #[arg(long)]
    everything: bool,

    /// Accept *, ?, a comma and outer white space in a target; the target is compared literally
    #[arg(long)]
    literal: bool,

    /// Replace a directive even if this widens it, or removes its ticket or its reason
    #[arg(long)]
    replace: bool,

    /// Let a revoked or expired directive apply again
    #[arg(long)]
    reactivate: bool,

    /// Write new directives only; an existing id is an error
    #[arg(long)]
    create_only: bool,
}

impl GuardArgs {
    /// Returns what the command does with entries of a file that `list` printed as expired or
    /// revoked.
    pub(super) fn ended(&self) -> Ended {
        if self.reactivate {
            Ended::Keep
        } else {
            Ended::Skip
        }
    }

    /// Refuses drafts that are probably mistakes, before the command sends a request to the
    /// cluster.
    pub(super) fn check_drafts(&self, drafts: &[Draft]) -> Result<(), Failure> {
        for draft in drafts {
            if let Some(problem) = self.problem(draft) {
                let id = printable(&draft.id);
                return Err(Failure::usage(format!("{id}: {problem}")));
            }
        }
        let warnings: Vec<String> = drafts.iter().filter_map(warning).collect();
        warn(&warnings);
        Ok(())
    }

    /// Returns the reason why a draft is probably a mistake; `None` if there is no reason, or if a
    /// flag consents to the draft.
    pub(super) fn problem(&self, draft: &Draft) -> Option<String> {
        if draft.match_ == DirectiveMatch::all() && !self.everything {
            return Some(
                "it has no target, so it would match every request; give --tenant, --index, \
                 --principal or --endpoint, or add --everything"
                    .to_owned(),
            );
        }
        let targets = [
            ("tenant", &draft.match_.tenant),
            ("index", &draft.match_.index),
            ("principal", &draft.match_.principal),
        ];
        targets.into_iter().find_map(|(field, target)| {
            let target = target.as_ref()?;
            let special = target.contains(['*', '?', ',']) || target.trim() != target;
            (special && !self.literal).then(|| {
                format!(
                    "the {field} {target:?} is compared literally: there are no wildcards or lists, \
                     and white space counts; correct it, or add --literal"
                )
            })
        })
    }

    /// Checks the planned writes, and asks the user to consent to those that need consent. If
    /// `question` is given, the function also asks the user this question.
    pub(super) fn check_plan(
        &self,
        write: &WriteArgs,
        plan: &[PlannedWrite],
        author: &str,
        change: Change,
        question: Option<String>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        for planned in plan {
            self.check_replacement(planned, write)?;
        }
        let mut questions = Vec::new();
        for planned in plan {
            let (Some(after), Some(why)) = (&planned.after, risk(planned, author, change)) else {
                continue;
            };
            if after.audit.reason.is_none() {
                return Err(Failure::usage(format!(
                    "{}: it {why}; give a reason with {}",
                    printable(&planned.id),
                    change.reason_flag()
                )));
            }
            questions.push(format!("{} {why}.", printable(&planned.id)));
        }
        let unconsented = plan.iter().filter(|planned| {
            !self.replace && loses_or_widens(planned) || !self.reactivate && reactivates(planned)
        });
        let ids = ids(unconsented);
        // In a dry run, `check_replacement` has noted the flags that consent to these writes.
        if !ids.is_empty() && !write.dry_run {
            questions.push(format!(
                "This would widen a directive, remove something from it, or let it apply again: \
                 {ids}."
            ));
        }
        questions.extend(question);
        if questions.is_empty() {
            return Ok(());
        }
        write.confirm(&questions.join("\n"), plan, now)
    }

    /// Refuses a replacement that needs the user's consent if no flag consents to it and the
    /// command cannot ask on a terminal. In a dry run, the function notes the missing flag. With `--create-only`, the function refuses to replace any
    /// directive.
    fn check_replacement(&self, planned: &PlannedWrite, write: &WriteArgs) -> Result<(), Failure> {
        let id = printable(&planned.id);
        if self.create_only && planned.before.is_some() && planned.kind() != PlannedKind::Nothing {
            return Err(Failure::new(
                Exit::Conflict,
                format!("{id}: it exists already; nothing was written (--create-only)"),
            ));
        }
        let revives = reactivates(planned) && !self.reactivate;
        let widens = loses_or_widens(planned) && !self.replace;
        if write.dry_run {
            if revives {
                write.note_need("--reactivate");
            }
            if widens {
                write.note_need("--replace");
            }
            return Ok(());
        }
        let needed = match (revives, widens) {
            (true, _) => "--reactivate",
            (false, true) => "--replace",
            (false, false) => return Ok(()),
        };
        if is_interactive() && !write.yes {
            return Ok(());
        }
        let changes: Vec<String> = planned
            .changes()
            .iter()
            .filter(|change| !matches!(change.effect, ChangeEffect::Other | ChangeEffect::Prolongs))
            .map(|change| super::directive_text::change(change, planned.after.as_ref()).0)
            .collect();
        Err(Failure::usage(format!(
            "{id}: nothing was written, because the change would widen the directive, lose \
             something, or let it apply again: {}; if you want that, add {needed}",
            changes.join(", ")
        )))
    }
}

/// Whether a command replaces a stored directive as a whole or edits some of its fields.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// The command replaces the whole directive, so its author may not know the previous content.
    Replacement,
    /// The command changes only the fields that the user names.
    Edit,
}

impl Change {
    /// Returns the flag in which the user states the reason for the change.
    fn reason_flag(self) -> &'static str {
        match self {
            Self::Replacement => "--reason",
            Self::Edit => "--set reason=TEXT",
        }
    }
}

/// Returns the ids of planned writes as a list for a question.
pub(super) fn ids<'a>(plan: impl Iterator<Item = &'a PlannedWrite>) -> String {
    let ids: Vec<_> = plan.map(|planned| printable(&planned.id)).collect();
    ids.join(", ")
}

/// Returns the rank of a planned write among those that a question shows: writes that end a
/// directive come first, and those that widen it, lose something or let it apply again come second.
pub(super) fn rank(planned: &PlannedWrite) -> u8 {
    match planned.kind() {
        PlannedKind::Revoke | PlannedKind::Delete => 0,
        _ if loses_or_widens(planned) || reactivates(planned) => 1,
        PlannedKind::Create | PlannedKind::Replace | PlannedKind::Sign | PlannedKind::Nothing => 2,
    }
}

fn only_prolongs(planned: &PlannedWrite) -> bool {
    let mut changes = planned.changes().into_iter();
    changes.all(|change| change.effect == ChangeEffect::Prolongs)
}

/// Returns a warning if the directive in a draft would have no effect.
pub(super) fn warning(draft: &Draft) -> Option<String> {
    let empty = if draft.level == DiagLevel::Off && !draft.ring_buffer && !draft.capture {
        "the level Off records nothing and turns no other directive off"
    } else if draft.sample_per_mille == 0 {
        "a sample of 0 matches no request"
    } else {
        return None;
    };
    Some(format!("{}: {empty}", printable(&draft.id)))
}

/// Returns the planned writes without those of directives that have ended, and adds an entry for
/// each left-out directive to `not_planned`.
pub(super) fn without_ended(
    plan: Vec<PlannedWrite>,
    not_planned: &mut Vec<NotPlanned>,
    has_ended: impl Fn(&PlannedWrite) -> bool,
) -> Vec<PlannedWrite> {
    let (ended, plan): (Vec<_>, Vec<_>) = plan.into_iter().partition(has_ended);
    not_planned.extend(ended.into_iter().map(|planned| {
        let detail = "it ended before the write; to let it apply again, use `directives apply \
                      --reactivate`";
        NotPlanned::skipped(planned.id, detail.to_owned())
    }));
    plan
}

/// Returns true if a directive that would be replaced applied when the write was planned, but has
/// expired since.
pub(super) fn expired_since_planned(planned: &PlannedWrite, now: Timestamp) -> bool {
    let before = planned.before.as_ref();
    let before = before.and_then(|before| before.document.as_ref().ok());
    let has_expired = before.is_some_and(|before| before.directive.expires_at <= now);
    has_expired && planned.kind() == PlannedKind::Replace && !reactivates(planned)
}

pub(super) fn reactivates(planned: &PlannedWrite) -> bool {
    let mut effects = planned.changes().into_iter().map(|change| change.effect);
    effects.any(|effect| effect == ChangeEffect::Reactivates)
}

fn loses_or_widens(planned: &PlannedWrite) -> bool {
    planned.changes().iter().any(|change| match change.effect {
        ChangeEffect::Widens | ChangeEffect::Loses => true,
        ChangeEffect::Reactivates | ChangeEffect::Prolongs | ChangeEffect::Other => false,
    })
}

/// Returns the reason why a write needs the user's consent: the new directive matches every request
/// or captures, or the write replaces another author's directive.
fn risk(planned: &PlannedWrite, author: &str, change: Change) -> Option<String> {
    let after = planned.after.as_ref()?;
    let before = planned
        .before
        .as_ref()
        .and_then(|before| before.document.as_ref().ok());
    match planned.kind() {
        PlannedKind::Create | PlannedKind::Replace => {}
        PlannedKind::Revoke | PlannedKind::Sign | PlannedKind::Delete | PlannedKind::Nothing => {
            return None;
        }
    }
    let was = |is: fn(&Document) -> bool| before.is_some_and(is);
    let everything = |document: &Document| document.directive.match_ == DirectiveMatch::all();
    let captures = |document: &Document| document.directive.capture;
    if everything(after) && !was(everything) {
        return Some("matches every request".to_owned());
    }
    if captures(after) && !was(captures) {
        return Some("captures requests".to_owned());
    }
    let owner = before?.audit.updated_by.as_deref()?;
    let replaces = match change {
        Change::Replacement => !only_prolongs(planned),
        Change::Edit => loses_or_widens(planned),
    };
    (owner != author && replaces).then(|| format!("replaces what {} wrote", printable(owner)))
}
