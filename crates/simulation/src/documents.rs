//! Documents as writers write them, and what a proxy has to make of each.

use std::fmt::Write as _;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use opensearch_directives::{DiagLevel, DiagnosticsDirective, DirectiveMatch};

/// Few, so that writers meet on the same documents.
pub(crate) const IDS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
pub(crate) const TENANTS: [&str; 2] = ["acme", "globex"];

#[derive(Debug)]
pub(crate) struct Document {
    /// The `_source`.
    pub(crate) source: String,
    pub(crate) content: Content,
    pub(crate) updated_at: Option<Timestamp>,
}

/// What it says.
#[derive(Debug)]
pub(crate) enum Content {
    Directive(DiagnosticsDirective),
    Revoked,
    Malformed,
}

/// What no decoder may let pass.
const MALFORMED: [&str; 7] = [
    r#""level":"Shape","tenant":42,"expires_at":"2030-01-02T00:00:00Z""#,
    r#""level":"Shape","tenant":null,"expires_at":"2030-01-02T00:00:00Z""#,
    r#""level":"Shape""#,
    r#""level":"Shape","ttl_secs":600"#,
    r#""level":"Most","expires_at":"2030-01-02T00:00:00Z""#,
    r#""level":["Shape"],"expires_at":"2030-01-02T00:00:00Z""#,
    r#""level":"Shape","expires_at":"2230-01-01T00:00:00Z""#,
];

impl Document {
    pub(crate) fn random(rng: &mut Rng, id: &str, now: Timestamp) -> Self {
        // Some are written past the pipeline, which stamps the time.
        let updated_at = (rng.u8(..8) > 0).then_some(now);
        let mut source = String::with_capacity(160);
        let content = match rng.u8(..16) {
            0..2 => {
                source.push('{');
                source.push_str(rng.choice(MALFORMED).unwrap_or_default());
                Content::Malformed
            }
            2..4 => {
                let expires_at = now + SignedDuration::from_secs(600);
                let _ = write!(
                    source,
                    r#"{{"level":"Shape","expires_at":"{expires_at}","revoked_at":"{now}""#
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
    // Some within the schedule's own time.
    let lives = if rng.bool() { rng.i64(1..120) } else { 86_400 };
    let starts_at = (rng.u8(..4) == 0).then(|| now + SignedDuration::from_secs(rng.i64(-30..60)));
    let expires_at = starts_at.unwrap_or(now).max(now) + SignedDuration::from_secs(lives);
    let _ = write!(source, r#"{{"level":"{level}","expires_at":"{expires_at}""#);
    let mut directive = DiagnosticsDirective::new(id, level, expires_at);
    if let Some(starts_at) = starts_at {
        let _ = write!(source, r#","starts_at":"{starts_at}""#);
        directive = directive.with_starts_at(starts_at);
    }
    if rng.bool() {
        let tenant = TENANTS[rng.usize(..TENANTS.len())];
        let _ = write!(source, r#","tenant":"{tenant}""#);
        directive = directive.with_match(DirectiveMatch::all().for_tenant(tenant));
    }
    if rng.u8(..4) == 0 {
        source.push_str(r#","capture":true"#);
        directive = directive.with_capture(true);
    }
    directive
}
