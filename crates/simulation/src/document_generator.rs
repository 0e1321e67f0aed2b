//! Generates the documents of the simulated index. Each document contains, in addition to its
//! source, the directive that a refresher must decode from this source.

use std::fmt::Write as _;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use opensearch_directives::{DiagLevel, DiagnosticsDirective, DirectiveMatch};

/// The ids of all documents in the simulated index. There are only a few ids, so that writes often
/// replace an existing document.
pub(crate) const IDS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
pub(crate) const TENANTS: [&str; 2] = ["acme", "globex"];

#[derive(Debug)]
pub(crate) struct Document {
    /// The JSON text that a search returns as the `_source` of the document.
    pub(crate) source: String,
    pub(crate) content: Content,
    pub(crate) updated_at: Option<Timestamp>,
}

/// The directive in a document, or the reason why the document contains no directive.
#[derive(Debug)]
pub(crate) enum Content {
    Directive(DiagnosticsDirective),
    Revoked,
    Malformed,
}

/// Invalid documents that every decoder must reject.
const MALFORMED: [&str; 10] = [
    r#""targets":["tenant"],"level":"Shape","tenant":42,"expires_at":"2030-01-02T00:00:00Z""#,
    r#""targets":["tenant"],"level":"Shape","tenant":null,"expires_at":"2030-01-02T00:00:00Z""#,
    r#""targets":[],"level":"Shape""#,
    r#""targets":[],"level":"Shape","ttl_secs":600"#,
    r#""targets":[],"level":"Most","expires_at":"2030-01-02T00:00:00Z""#,
    r#""targets":[],"level":["Shape"],"expires_at":"2030-01-02T00:00:00Z""#,
    r#""targets":[],"level":"Shape","expires_at":"2230-01-01T00:00:00Z""#,
    // Three documents whose `targets` contradict their other fields: the field of a listed target
    // is missing, `targets` itself is missing, or a field is set that `targets` does not list. A
    // role that hides the target's field or `targets` makes a valid document look like one of the
    // first two documents.
    r#""targets":["tenant"],"level":"Shape","expires_at":"2030-01-02T00:00:00Z""#,
    r#""level":"Shape","expires_at":"2030-01-02T00:00:00Z""#,
    r#""targets":[],"level":"Shape","tenant":"acme","expires_at":"2030-01-02T00:00:00Z""#,
];
/// The JSON fields that a stored document has if its directive has no start time and is not
/// revoked.
const AT_ONCE: &str =
    r#","sample_per_mille":1000,"starts_at":"1970-01-01T00:00:00Z","revoked":false"#;

impl Document {
    /// Creates a document that every decoder must reject.
    #[cfg(test)]
    pub(crate) fn malformed() -> Self {
        Self {
            source: format!("{{{}{AT_ONCE}}}", MALFORMED[0]),
            content: Content::Malformed,
            updated_at: None,
        }
    }

    pub(crate) fn random(rng: &mut Rng, id: &str, now: Timestamp) -> Self {
        // Some documents have no `updated_at`, as if a write had bypassed the ingest pipeline.
        let updated_at = (rng.u8(..8) > 0).then_some(now);
        let mut source = String::with_capacity(160);
        let content = match rng.u8(..16) {
            0..2 => {
                source.push('{');
                source.push_str(rng.choice(MALFORMED).unwrap_or_default());
                source.push_str(AT_ONCE);
                Content::Malformed
            }
            2..4 => {
                let expires_at = now + SignedDuration::from_secs(600);
                let _ = write!(
                    source,
                    r#"{{"targets":[],"level":"Shape","sample_per_mille":1000,"starts_at":"1970-01-01T00:00:00Z","expires_at":"{expires_at}","revoked":true,"revoked_at":"{now}""#
                );
                Content::Revoked
            }
            _ => Content::Directive(directive(rng, id, now, &mut source)),
        };
        if let Some(updated_at) = updated_at {
            let _ = write!(source, r#","updated_at":"{updated_at}""#);
        }
        source.push('}');
        Self {
            source,
            content,
            updated_at,
        }
    }

    pub(crate) fn is_malformed(&self) -> bool {
        matches!(self.content, Content::Malformed)
    }
}

fn directive(rng: &mut Rng, id: &str, now: Timestamp, source: &mut String) -> DiagnosticsDirective {
    let level = DiagLevel::ALL[rng.usize(1..4)];
    // Some directives expire while the schedule runs.
    let lives = if rng.bool() { rng.i64(1..120) } else { 86_400 };
    let starts_at = (rng.u8(..4) == 0).then(|| now + SignedDuration::from_secs(rng.i64(-30..60)));
    let expires_at = starts_at.unwrap_or(now).max(now) + SignedDuration::from_secs(lives);
    let _ = write!(source, r#"{{"level":"{level}","expires_at":"{expires_at}""#);
    let mut directive = DiagnosticsDirective::new(id, level, expires_at);
    match starts_at {
        Some(starts_at) => {
            let _ = write!(
                source,
                r#","sample_per_mille":1000,"starts_at":"{starts_at}","revoked":false"#
            );
            directive = directive.with_starts_at(starts_at);
        }
        None => source.push_str(AT_ONCE),
    }
    if rng.bool() {
        let tenant = TENANTS[rng.usize(..TENANTS.len())];
        let _ = write!(source, r#","targets":["tenant"],"tenant":"{tenant}""#);
        directive = directive.with_match(DirectiveMatch::all().for_tenant(tenant));
    } else {
        source.push_str(r#","targets":[]"#);
    }
    if rng.u8(..4) == 0 {
        source.push_str(r#","capture":true"#);
        directive = directive.with_capture(true);
    }
    directive
}
