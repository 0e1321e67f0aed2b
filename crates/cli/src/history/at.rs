//! `directives history --at`: shows which directives applied at an instant, who wrote them and why,
//! and how they ended.

use jiff::Timestamp;
use opensearch_directives::admin::DirectivesApi;
use opensearch_directives::document::Document;
use opensearch_directives::history::{Doubt, End, History, Past, PastDirective, Record};
use opensearch_directives::{
    Clock as _, Decision, DiagLevel, DirectiveSet, EndpointKind, RequestAttrs, SystemClock,
};
use serde_json::{Value, json};

use super::gap_text::{between, concerns, numbers};
use super::past_instances::PastInstances;
use super::records::{author, what};
use super::{HistoryFormat, RequestArgs};
use crate::csv;
use crate::directive_text::{self, summary};
use crate::exit::{Exit, Failure};
use crate::field_filters::State;
use crate::instant::to_the_second;
use crate::report_wording::count;
use crate::stdio::{print, print_json};

/// The ids and the attributes that select the directives to show.
pub(super) struct Question<'a> {
    pub(super) ids: &'a [String],
    pub(super) tenant: Option<&'a str>,
    pub(super) request: &'a RequestArgs,
}

impl Question<'_> {
    /// Returns the request, if the command line states all its attributes.
    fn whole_request(&self) -> Option<RequestAttrs<'_>> {
        let (index, principal) = (&self.request.index, &self.request.principal);
        let endpoint = self.request.endpoint?;
        let mut request = RequestAttrs::new(index.as_deref()?, principal.as_deref()?, endpoint);
        request.tenant = self.tenant;
        Some(request)
    }

    /// Returns true if a directive can apply at an instant to a request with the given attributes.
    fn can_apply(&self, document: &Document, instant: Timestamp) -> bool {
        if let Some(request) = self.whole_request() {
            let set = DirectiveSet::from_directives(vec![document.directive.clone()]);
            let found = set.explain(&request, instant, &self.request.request_id);
            return !found.directives.is_empty();
        }
        let match_ = &document.directive.match_;
        let fits = |target: Option<&str>, value: Option<&str>| {
            target.is_none() || value.is_none() || target == value
        };
        let endpoint = match_.endpoint.map(EndpointKind::as_str);
        fits(match_.tenant.as_deref(), self.tenant)
            && fits(match_.index.as_deref(), self.request.index.as_deref())
            && fits(
                match_.principal.as_deref(),
                self.request.principal.as_deref(),
            )
            && fits(endpoint, self.request.endpoint.map(EndpointKind::as_str))
            && State::of_document(document, instant) == State::Active
    }

    fn applies(&self, directive: &PastDirective, instant: Timestamp) -> bool {
        let is_named = self.ids.is_empty() || self.ids.contains(&directive.record.directive);
        is_named
            && directive
                .live()
                .is_some_and(|document| self.can_apply(document, instant))
    }

    /// Formats the given attributes, such as `tenant=acme index=orders`.
    fn text(&self) -> String {
        let endpoint = self.request.endpoint.map(EndpointKind::as_str);
        let all = [
            ("tenant", self.tenant),
            ("index", self.request.index.as_deref()),
            ("principal", self.request.principal.as_deref()),
            ("endpoint", endpoint),
        ];
        let given = all
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| format!("{name}={value}")));
        given.collect::<Vec<_>>().join(" ")
    }
}

pub(super) async fn run(
    (history, api): (&History, &DirectivesApi),
    instant: Timestamp,
    question: &Question<'_>,
    format: HistoryFormat,
) -> Result<Exit, Failure> {
    let past = history.at(instant).await?;
    super::warn_of_unreadable(history.stream(), &past.unreadable);
    let instances = PastInstances::read(api, instant).await;
    let applying: Vec<(&PastDirective, End)> = past
        .directives
        .iter()
        .filter(|directive| question.applies(directive, instant))
        .map(|directive| {
            (
                directive,
                directive.end(|later, at| question.can_apply(later, at)),
            )
        })
        .collect();
    let decision = question.whole_request().map(|request| {
        past.set()
            .evaluate(&request, instant, &question.request.request_id)
    });
    match format {
        HistoryFormat::Table => {
            let mut lines = vec![headline(&past, question, decision, &applying)];
            lines.extend(
                applying
                    .iter()
                    .flat_map(|(directive, end)| text(directive, end, &instances)),
            );
            lines.extend(instances.problem());
            lines.extend(past.doubts.iter().flat_map(|one| doubt(one, &past)));
            super::print_report(&lines)?;
        }
        HistoryFormat::Json => {
            let rows = applying.iter().map(|(one, end)| {
                let mut row = row(one, end);
                if let Some(instances) = instances.json(&one.record) {
                    row["instances"] = instances;
                }
                row
            });
            let rows: Vec<Value> = rows.collect();
            let report = json!({
                "instant": past.instant,
                "index_uuid": past.ledger.as_ref().map(|ledger| &ledger.uuid),
                "decision": decision,
                "directives": rows,
                "is_certain": past.doubts.is_empty(),
                "doubts": past.doubts,
            });
            print_json(&report)?;
        }
        HistoryFormat::Csv => {
            let rows = applying.iter().map(|(one, end)| row(one, end));
            print(&csv::lines(&COLUMNS, rows))?;
        }
    }
    Ok(if past.doubts.is_empty() {
        Exit::Success
    } else {
        Exit::HistoryGap
    })
}

fn headline(
    past: &Past,
    question: &Question<'_>,
    decision: Option<Decision>,
    applying: &[(&PastDirective, End)],
) -> String {
    let at = past.instant;
    let what = match (question.text(), question.ids) {
        (text, []) if text.is_empty() => "all requests".to_owned(),
        (text, _) => text,
    };
    if past.ledger.is_none() {
        return format!("{at}: no record shows that the index existed");
    }
    if let Some(decision) = decision {
        return format!("{at}, {what}: {}", directive_text::decision(decision));
    }
    let highest = applying
        .iter()
        .filter_map(|(one, _)| Some(one.live()?.directive.level))
        .max();
    let directives = count(applying.len(), "directive");
    let level = highest.unwrap_or(DiagLevel::Off);
    let of = if what.is_empty() {
        String::new()
    } else {
        format!(", {what}")
    };
    format!("{at}{of}: {directives} could apply, {level} at most")
}

/// Formats a directive as lines: its content, its author and reason, and how it ended.
fn text(directive: &PastDirective, end: &End, instances: &PastInstances) -> Vec<String> {
    let record = &directive.record;
    let summary = directive.live().map(summary).unwrap_or_default();
    let mut lines = vec![format!("  {}: {summary}", record.directive)];
    lines.push(format!("    {}", operation(record)));
    let creation = directive.live().map(|document| &document.audit);
    if let Some((by, at)) = creation
        .and_then(|audit| Some((audit.created_by.as_ref()?, audit.created_at?)))
        .filter(|(_, at)| *at < record.timestamp)
    {
        lines.push(format!("    created {} by {}", to_the_second(at), by));
    }
    lines.push(format!("    {}", ended(end)));
    lines.extend(instances.lines(record));
    lines
}

/// Formats an operation with its author and reason, such as `revoked 2030-01-31T14:20:00Z by carol:
/// found it (INC-1)`.
fn operation(record: &Record) -> String {
    let by = author(record).map_or_else(
        || "by an unknown author".to_owned(),
        |author| format!("by {author}"),
    );
    let reason = record.reason.as_deref().map(|reason| format!(": {reason}"));
    let ticket = record
        .ticket
        .as_deref()
        .map(|ticket| format!(" ({ticket})"));
    format!(
        "{} {} {by}{}{}",
        record.kind,
        to_the_second(record.timestamp),
        reason.unwrap_or_default(),
        ticket.unwrap_or_default()
    )
}

fn ended(end: &End) -> String {
    match end {
        End::Pending(at) => format!("has not ended; it expires {}", to_the_second(*at)),
        End::Expired(at) => format!("expired {}", to_the_second(*at)),
        End::Operation(record) => {
            let changed = what(record);
            let changed = if changed.is_empty() {
                String::new()
            } else {
                format!(" [{changed}]")
            };
            format!("ended by: {}{changed}", operation(record))
        }
        End::IndexReplaced(Some(at)) => {
            format!(
                "ended with the index, which was replaced before {}",
                to_the_second(*at)
            )
        }
        End::IndexReplaced(None) => "ended with the index, which was deleted".to_owned(),
        End::Lost => "ended because the index lost it in a failover or a restore".to_owned(),
        _ => "ended".to_owned(),
    }
}

/// Formats a reason why the result may be wrong.
fn doubt(doubt: &Doubt, past: &Past) -> Vec<String> {
    match doubt {
        Doubt::Gap(gap) => {
            let verb = if gap.operations() == Some(1) {
                "is"
            } else {
                "are"
            };
            let numbers = numbers(gap);
            let ledger = past.ledger.as_ref();
            let when = ledger.map(|ledger| between(gap, ledger, SystemClock.now()));
            let mut lines = vec![format!(
                "not certain: {numbers} {verb} not recorded, {}",
                when.unwrap_or_default()
            )];
            lines.extend(concerns(gap).map(|concerns| format!("  can concern {concerns}")));
            lines
        }
        Doubt::UnknownDocument { directive, .. } => vec![format!(
            "not certain: the document of {} was replaced before it was read",
            directive
        )],
        Doubt::BeyondMaxTtl {
            directive,
            expires_at,
        } => vec![format!(
            "not certain: whether proxies applied {directive}, which was to expire {}; a proxy whose \
             --max-ttl did not permit that rejected it",
            to_the_second(*expires_at)
        )],
        Doubt::Replaced => vec![
            "not certain: the index was replaced between the last operation on it and the first \
             one on its successor"
                .to_owned(),
        ],
        _ => Vec::new(),
    }
}

const COLUMNS: [&str; 15] = [
    "id",
    "summary",
    "level",
    "kind",
    "at",
    "by",
    "authenticated_by",
    "reason",
    "ticket",
    "created_by",
    "ended",
    "ended_at",
    "ended_by",
    "ended_reason",
    "expires_at",
];

fn row(directive: &PastDirective, end: &End) -> Value {
    let record = &directive.record;
    let document = directive.live();
    let (ended, at, by) = match end {
        End::Pending(_) => ("pending", None, None),
        End::Expired(at) => ("expired", Some(*at), None),
        End::Operation(record) => (record.kind.as_str(), Some(record.timestamp), Some(record)),
        End::IndexReplaced(at) => ("index replaced", *at, None),
        End::Lost => ("lost", None, None),
        _ => ("unknown", None, None),
    };
    json!({
        "id": record.directive,
        "summary": document.map(summary),
        "level": document.map(|document| document.directive.level),
        "kind": record.kind,
        "at": record.timestamp,
        "by": record.by,
        "authenticated_by": record.authenticated_by,
        "reason": record.reason,
        "ticket": record.ticket,
        "created_by": document.and_then(|document| document.audit.created_by.clone()),
        "expires_at": document.map(|document| document.directive.expires_at),
        "ended": ended,
        "ended_at": at,
        "ended_by": by.and_then(|record| record.by.clone()),
        "ended_reason": by.and_then(|record| record.reason.clone()),
    })
}
