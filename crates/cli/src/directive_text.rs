//! Formats a directive, or a change of a directive, as one line of text.

use opensearch_directives::admin::{ChangeEffect, FieldChange};
use opensearch_directives::document::{Audit, Document};
use opensearch_directives::internal::is_invisible;
use opensearch_directives::{Decision, DirectiveMatch, EndpointKind};

/// The text that replaces the targets of a directive if the directive has no target. The text is in
/// capitals, so that nobody overlooks that the directive matches every request.
pub(super) const EVERY_REQUEST: &str = "EVERY REQUEST";

/// Formats the targets of a directive, such as `tenant=acme index=orders`.
pub(super) fn targets(match_: &DirectiveMatch) -> String {
    let targets: Vec<String> = [
        ("tenant", match_.tenant.as_deref()),
        ("index", match_.index.as_deref()),
        ("principal", match_.principal.as_deref()),
        ("endpoint", match_.endpoint.map(EndpointKind::as_str)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some(format!("{key}={}", printable(value?))))
    .collect();
    if targets.is_empty() {
        EVERY_REQUEST.to_owned()
    } else {
        targets.join(" ")
    }
}

/// Formats what a directive requests in addition to its level, such as `ring-buffer capture`.
pub(super) fn records(document: &Document) -> String {
    let records: Vec<&str> = [
        (document.directive.ring_buffer, "ring-buffer"),
        (document.directive.capture, "capture"),
    ]
    .into_iter()
    .filter_map(|(on, name)| on.then_some(name))
    .collect();
    records.join(" ")
}

/// Formats a directive as one line, which contains its level, its targets and its other settings.
pub(super) fn summary(document: &Document) -> String {
    let directive = &document.directive;
    let mut parts = vec![
        directive.level.to_string(),
        targets(&directive.match_),
        super::flag_values::per_mille(directive.sample_per_mille),
    ];
    let records = records(document);
    if !records.is_empty() {
        parts.push(records);
    }
    parts.join(", ")
}

/// Formats the decision for a request as a list, such as `Shape, ring-buffer, capture`.
pub(super) fn decision(decision: Decision) -> String {
    let mut parts = vec![decision.level.as_str()];
    parts.extend(decision.ring_buffer.then_some("ring-buffer"));
    parts.extend(decision.capture.then_some("capture"));
    parts.join(", ")
}

/// Formats the change of one field of a directive, together with the effect of the change. The
/// second value of the result is true if the directive records more after the change than before.
pub(super) fn change(change: &FieldChange, after: Option<&Document>) -> (String, bool) {
    let unit = if change.field == "sample_per_mille" {
        " ‰"
    } else {
        ""
    };
    let show = |value: &Option<String>| {
        value
            .as_deref()
            .map(|value| format!("{}{unit}", printable(value)))
    };
    let name = match change.field {
        "sample_per_mille" => "sample",
        "expires_at" => "end",
        "starts_at" => "start",
        other => other,
    };
    let target = matches!(change.field, "tenant" | "index" | "principal" | "endpoint");
    let everything = after.is_some_and(|after| after.directive.match_ == DirectiveMatch::all());
    let text = match (show(&change.before), show(&change.after)) {
        (Some(before), None) if target && everything => {
            format!("{name}={before} → {EVERY_REQUEST}")
        }
        (Some(before), None) if target => format!("{name}={before} → every {name}"),
        (None, Some(after)) if target => format!("every {name} → {name}={after}"),
        (Some(_), _) if change.field == "revoked" && after.is_some_and(|after| !after.revoked) => {
            "no longer revoked".to_owned()
        }
        (Some(_), None) if change.field == "revoked_at" => "no longer revoked".to_owned(),
        (Some(before), None) => format!("{name} {before} dropped"),
        (None, Some(after)) => format!("{name} {after} added"),
        (Some(before), Some(after)) => format!("{name} {before} → {after}"),
        (None, None) => name.to_owned(),
    };
    let widens = match change.effect {
        ChangeEffect::Widens | ChangeEffect::Reactivates => true,
        ChangeEffect::Loses | ChangeEffect::Prolongs | ChangeEffect::Other => false,
    };
    let word = match change.effect {
        ChangeEffect::Widens => " (wider)",
        ChangeEffect::Reactivates => " (applies again)",
        ChangeEffect::Prolongs => " (later)",
        ChangeEffect::Loses | ChangeEffect::Other => "",
    };
    (format!("{text}{word}"), widens)
}

/// Formats the author that the last write of a directive claims, and the user whom the cluster
/// authenticated for this write.
pub(super) fn author(audit: &Audit) -> Option<String> {
    let claimed = audit.updated_by.as_deref()?;
    Some(match audit.authenticated_as.as_deref() {
        Some(user) => format!("{claimed} (authenticated as {user})"),
        None => claimed.to_owned(),
    })
}

/// Replaces each character that is invisible, controls a terminal or changes the direction of text,
/// because another user may have written the text.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|char| if is_invisible(char) { '\u{fffd}' } else { char })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_control_the_terminal() {
        let text = "a\u{1b}[2J\u{9b}\r\n\u{202e}\u{200b}\u{feff}é";
        let shown = printable(text);
        assert_eq!(shown.chars().filter(|c| *c == '\u{fffd}').count(), 7);
        assert!(shown.ends_with('é'), "{shown}");
    }
}
