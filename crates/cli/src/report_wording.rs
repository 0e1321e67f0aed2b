//! Formats parts of a report: a number with its noun, a changed expiry, a revocation, or a
//! conflict.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use opensearch_directives::admin::{FieldChange, PlannedWrite, Stored};
use opensearch_directives::document::Document;

use super::directive_text::{author, change, printable, summary};
use super::instant::{clock, until};

/// Returns the singular or the plural of a word, such as `is` or `are`, depending on the number.
pub(super) fn verb<N: Copy + PartialEq + From<u8>>(
    number: N,
    one: &'static str,
    several: &'static str,
) -> &'static str {
    if number == 1.into() { one } else { several }
}

/// Formats a number with its noun, such as `1 operation` or `2 operations`.
pub(super) fn count<N: Copy + Display + PartialEq + From<u8>>(number: N, thing: &str) -> String {
    let s = if number == 1.into() { "" } else { "s" };
    format!("{number} {thing}{s}")
}

/// Formats the new expiry of a directive together with the previous one.
pub(super) fn change_of_end(field: &FieldChange, now: Timestamp) -> String {
    let instant = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
    match (instant(&field.before), change(field, None).1) {
        (Some(before), false) => {
            let later = field.after > field.before;
            let word = if later { "later" } else { "earlier" };
            format!("ends {word} than {}", clock(before, now))
        }
        (Some(before), true) => style(
            format!("{}, applies again", until(before, now)),
            true,
            AnsiColor::Yellow,
        ),
        (None, _) => "another end".to_owned(),
    }
}

/// Formats who revoked a directive, and when.
pub(super) fn revoked(document: &Document) -> String {
    let audit = &document.audit;
    let by = audit.revoked_by.as_deref().unwrap_or("somebody");
    match audit.revoked_at {
        Some(at) => format!("{} revoked it at {at}", printable(by)),
        None => "it was revoked".to_owned(),
    }
}

/// Describes the change of another author that conflicts with a planned write: its author, time and
/// content.
pub(super) fn conflict(planned: &PlannedWrite, current: Option<&Stored>) -> String {
    let Some(current) = current else {
        return "somebody deleted it meanwhile; nothing was written".to_owned();
    };
    let Ok(now) = &current.document else {
        return "somebody changed it meanwhile, and it is malformed now; nothing was written"
            .to_owned();
    };
    let who = author(&now.audit).unwrap_or_else(|| "somebody".to_owned());
    let when = now
        .audit
        .updated_at
        .map(|at| format!(" at {at}"))
        .unwrap_or_default();
    let before = planned
        .before
        .as_ref()
        .and_then(|before| before.document.as_ref().ok());
    let what: Vec<String> = match before {
        Some(before) => FieldChange::between(before, now)
            .iter()
            .map(|field| match field.field {
                "revoked_at" | "revoked" if now.revoked => "revoked".to_owned(),
                _ => change(field, Some(now)).0,
            })
            .collect(),
        None => vec![format!("created: {}", summary(now))],
    };
    format!(
        "{who} changed it{when} ({}); nothing was written",
        what.join(", ")
    )
}

/// Colours a text if it needs the user's attention. If the output is not a terminal, the colour is
/// removed later, when the text is printed.
pub(super) fn style(text: String, attention: bool, color: AnsiColor) -> String {
    if !attention {
        return text;
    }
    let style = Style::new().fg_color(Some(color.into()));
    format!("{style}{text}{style:#}")
}
