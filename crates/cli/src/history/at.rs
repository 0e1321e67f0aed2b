//! `directives history --at`: shows the directives that applied at an instant, their authors and
//! reasons, and how they ended.

use jiff::Timestamp;
use opensearch_directives::admin::DirectivesApi;
use opensearch_directives::document::Document;
use opensearch_directives::history::{Doubt, End, History, Past, PastDirective, Record};
use opensearch_directives::{
    Clock as _, Decision, DiagLevel, DirectiveSet, EndpointKind, RequestAttrs, SystemClock,
};
use serde_json::{Value, json};

use super::applying::{Applying, COLUMNS};
use super::audit_log_check::{self, AuditLogArgs};
use super::gap_text::{between, concerns, numbers};
use super::past_instances::PastInstances;
use super::{HistoryFormat, RequestArgs};
use crate::csv;
use crate::directive_text::{self, printable};
use crate::exit::{Exit, Failure};
use crate::field_filters::State;
use crate::instant::{self, to_the_second};
use crate::output::{note, print, print_json};
use crate::report_wording::count;

/// The ids and the request attributes on the command line, which select the directives that
/// `history --at` shows.
pub(super) struct Question<'a> {
    pub(super) ids: &'a [String],
    pub(super) tenant: Option<&'a str>,
    pub(super) request: &'a RequestArgs,
}

impl Question<'_> {
    /// Returns the request to evaluate, or `None` if the command line states only some of a
    /// request's attributes.
    fn whole_request(&self) -> Option<RequestAttrs<'_>> {
        let (index, principal) = (&self.request.index, &self.request.principal);
        let endpoint = self.request.endpoint?;
        let mut request = RequestAttrs::new(index.as_deref()?, principal.as_deref()?, endpoint);
        request.tenant = self.tenant;
        Some(request)
    }

    /// Returns true if a directive can apply at an instant to a request with the attributes on the
    /// command line.
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

    /// Formats the request attributes on the command line, such as `tenant=acme index=orders`.
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

/// The sources from which `history --at` finds out which directives applied: the history, the index
/// and the audit log.
pub(super) struct Sources<'a> {
    pub(super) history: &'a History,
    pub(super) api: &'a DirectivesApi,
    pub(super) audit_log: &'a AuditLogArgs,
}

pub(super) async fn run(
    sources: &Sources<'_>,
    instant: Timestamp,
    question: &Question<'_>,
    format: HistoryFormat,
) -> Result<Exit, Failure> {
    let past = sources.history.at(instant).await?;
    super::warn_of_unreadable(sources.history.stream(), &past.unreadable);
    let instances = PastInstances::read(sources.api, instant).await;
    let applying = applying(sources, &past, question).await?;
    let doubts = doubts(&past, &applying);
    let decision = question.whole_request().map(|request| {
        past.set()
            .evaluate(&request, instant, &question.request.request_id)
    });
    match format {
        HistoryFormat::Table => {
            let mut lines = vec![headline(&past, question, decision, &applying)];
            lines.extend(applying.iter().flat_map(|one| one.lines(&instances)));
            lines.extend(instances.problems());
            lines.extend(doubts.iter().flat_map(|one| doubt(one, &past)));
            super::print_report(&lines)?;
        }
        HistoryFormat::Json => {
            let rows: Vec<Value> = applying.iter().map(|one| one.json(&instances)).collect();
            let report = json!({
                "instant": past.instant,
                "index_uuid": past.ledger.as_ref().map(|ledger| &ledger.uuid),
                "decision": decision,
                "directives": rows,
                "instances_problems": instances.problems(),
                "is_certain": doubts.is_empty(),
                "doubts": doubts,
            });
            print_json(&report)?;
        }
        HistoryFormat::Csv => {
            let texts = doubts.iter().map(|one| doubt(one, &past).join(""));
            let texts: Vec<String> = texts.collect();
            let rows = applying.iter().map(|one| {
                let mut row = one.row();
                row["doubts"] = texts.join("; ").into();
                row
            });
            print(&csv::lines(&COLUMNS, rows))?;
            // The doubts about the result are also printed as notes, because a CSV output without
            // directives has no row for them.
            for text in &texts {
                note(&printable(text));
            }
        }
    }
    audit_log_check::summarize(applying.iter().flat_map(Applying::operations));
    Ok(if doubts.is_empty() {
        Exit::Success
    } else {
        Exit::HistoryGap
    })
}

/// Returns the reasons why the list of directives that applied may be wrong. A doubt about the
/// deletion of a directive matters only if the list contains this directive.
fn doubts<'a>(past: &'a Past, applying: &[Applying<'_>]) -> Vec<&'a Doubt> {
    let is_shown = |id: &str| {
        applying
            .iter()
            .any(|one| one.directive.record.directive == id)
    };
    let doubts = past.doubts.iter();
    doubts
        .filter(|doubt| match doubt {
            Doubt::Deletion { directive, .. } => is_shown(directive),
            _ => true,
        })
        .collect()
}

/// Returns the directives that applied at the instant in `--at`. The function also compares the
/// authors of the operations that wrote and ended the directives with the audit log.
async fn applying<'a>(
    sources: &Sources<'_>,
    past: &'a Past,
    question: &Question<'_>,
) -> Result<Vec<Applying<'a>>, Failure> {
    let found = past.directives.iter();
    let found = found.filter(|directive| question.applies(directive, past.instant));
    let ended: Vec<(&PastDirective, End)> = found
        .map(|directive| {
            let end = directive.end(|later, at| question.can_apply(later, at));
            (directive, end)
        })
        .collect();
    let operations = ended.iter().flat_map(|(directive, end)| {
        let last = match end {
            End::Operation(record) => Some((**record).clone()),
            _ => None,
        };
        std::iter::once(directive.record.clone()).chain(last)
    });
    let operations: Vec<Record> = operations.collect();
    let witness = sources.audit_log.read(sources.history, &operations).await?;
    let applying = ended.into_iter();
    Ok(applying
        .map(|(directive, end)| Applying::new(directive, end, &witness))
        .collect())
}

fn headline(
    past: &Past,
    question: &Question<'_>,
    decision: Option<Decision>,
    applying: &[Applying<'_>],
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
        .filter_map(|one| Some(one.directive.live()?.directive.level))
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

/// Describes a reason why the list of directives that applied may be wrong.
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
        Doubt::Deletion {
            directive,
            after,
            until,
            ..
        } => vec![format!(
            "not certain: whether {directive} still applied; it was deleted {}",
            instant::between(*after, *until)
        )],
        Doubt::Replaced => vec![
            "not certain: the index was replaced between the last operation on it and the first \
             one on its successor"
                .to_owned(),
        ],
        _ => Vec::new(),
    }
}
