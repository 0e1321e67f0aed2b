//! The flags with which `list`, `revoke` and `delete` select stored directives by their fields.

use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use opensearch_directives::DirectiveMatch;
use opensearch_directives::EndpointKind;
use opensearch_directives::admin::Stored;
use opensearch_directives::document::{Document, DocumentState};

use super::duration;

/// The state of a document, as `list` shows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub(super) enum State {
    Active,
    Scheduled,
    Expired,
    Revoked,
    Rejected,
}

impl State {
    pub(super) fn of(stored: &Stored, now: Timestamp) -> Self {
        match &stored.document {
            Ok(document) => Self::of_document(document, now),
            Err(_) if stored.is_revoked() => Self::Revoked,
            Err(_) => Self::Rejected,
        }
    }

    pub(super) fn of_document(document: &Document, now: Timestamp) -> Self {
        match document.state(now).as_str() {
            "active" => Self::Active,
            "scheduled" => Self::Scheduled,
            "expired" => Self::Expired,
            _ => Self::Revoked,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Active => DocumentState::Active.as_str(),
            Self::Scheduled => DocumentState::Scheduled.as_str(),
            Self::Expired => DocumentState::Expired.as_str(),
            Self::Revoked => DocumentState::Revoked.as_str(),
            Self::Rejected => "rejected",
        }
    }
}

/// The filter flags. A directive is selected only if it passes all given filters.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct FilterArgs {
    /// Only directives in this state; separate several states by commas
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<State>,

    /// Only directives that match requests with this value: tenant=acme, index=orders,
    /// principal=svc or endpoint=Search. Directives that do not target the field match, too
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field_value)]
    matches: Vec<(Field, String)>,

    /// Only directives that this person created or was the last to change
    #[arg(long, value_name = "NAME")]
    by: Option<String>,

    /// Only directives of this owner
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,

    /// Only directives that capture
    #[arg(long)]
    capture: bool,

    /// Only directives without a target, which match every request
    #[arg(long)]
    everything: bool,

    /// Only directives that end within this time from now
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    ending_within: Option<Duration>,
}

/// A field of a directive that narrows the requests to which the directive applies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Field {
    Tenant,
    Index,
    Principal,
    Endpoint,
}

fn field_value(text: &str) -> Result<(Field, String), String> {
    let fix = "write FIELD=VALUE, where FIELD is tenant, index, principal or endpoint";
    let (field, value) = text.split_once('=').ok_or(fix)?;
    let field = match field {
        "tenant" => Field::Tenant,
        "index" => Field::Index,
        "principal" => Field::Principal,
        "endpoint" => {
            let endpoint = super::flag_values::endpoint(value)?;
            return Ok((Field::Endpoint, endpoint.as_str().to_owned()));
        }
        _ => return Err(fix.to_owned()),
    };
    Ok((field, value.to_owned()))
}

impl FilterArgs {
    /// Returns true if the command line contains no filter.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            state,
            matches,
            by,
            owner,
            capture,
            everything,
            ending_within,
        } = self;
        state.is_empty()
            && matches.is_empty()
            && by.is_none()
            && owner.is_none()
            && !capture
            && !everything
            && ending_within.is_none()
    }

    /// Returns true if the command line contains a filter for the state of directives.
    pub(super) fn has_state(&self) -> bool {
        !self.state.is_empty()
    }

    /// Returns true if a stored directive passes all filters on the command line. A malformed
    /// document can pass a filter for the state, but passes no other filter, because its fields are
    /// unknown.
    pub(super) fn pass(&self, stored: &Stored, now: Timestamp) -> bool {
        if !self.state.is_empty() && !self.state.contains(&State::of(stored, now)) {
            return false;
        }
        match &stored.document {
            Ok(document) => self.passes(document, now),
            Err(_) => Self {
                state: Vec::new(),
                ..self.clone()
            }
            .is_empty(),
        }
    }

    fn passes(&self, document: &Document, now: Timestamp) -> bool {
        let directive = &document.directive;
        let match_ = &directive.match_;
        let matches = self.matches.iter().all(|(field, value)| {
            let target = match field {
                Field::Tenant => match_.tenant.as_deref(),
                Field::Index => match_.index.as_deref(),
                Field::Principal => match_.principal.as_deref(),
                Field::Endpoint => match_.endpoint.map(EndpointKind::as_str),
            };
            target.is_none_or(|target| target == value)
        });
        let audit = &document.audit;
        let by = self.by.as_ref().is_none_or(|name| {
            audit.created_by.as_ref() == Some(name) || audit.updated_by.as_ref() == Some(name)
        });
        let ending = self.ending_within.is_none_or(|within| {
            let left = directive.expires_at.duration_since(now);
            left.is_positive() && left <= duration::signed(within) && !document.revoked
        });
        let owner = self.owner.is_none() || audit.owner == self.owner;
        matches
            && by
            && owner
            && ending
            && (!self.capture || directive.capture)
            && (!self.everything || *match_ == DirectiveMatch::all())
    }
}
