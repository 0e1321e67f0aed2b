//! Defines the error that is returned if directives cannot be read or written. The methods of the
//! error tell a caller what failed, so that the caller can decide how to react.

use std::error::Error;
use std::fmt;

use crate::http::{RequestError, RequestErrorKind};
use crate::rest::PIPELINE;
use crate::rest::ReadError;
use opensearch_directives_core::document::Rejection;
use opensearch_directives_core::internal::visible;

/// The error that is returned if directives could not be read or written.
///
/// If [`is_invalid`](Self::is_invalid), [`is_refused`](Self::is_refused),
/// [`is_conflict`](Self::is_conflict) or [`is_not_found`](Self::is_not_found) returns true for the
/// error of [`revoke`](super::DirectivesApi::revoke) or [`delete`](super::DirectivesApi::delete),
/// nothing was written. After any other error, the cluster may have executed the write, because its
/// response may have been lost. [`apply`](super::DirectivesApi::apply) may have written some
/// directives before it returns a `WriteError`. If it knows that some were written, the error names
/// the directives that were not.
pub struct WriteError(Box<Kind>);

#[derive(Debug)]
pub(super) enum Kind {
    Invalid {
        id: String,
        source: Rejection,
    },
    /// A directive could not be signed, for example because it has too many signatures.
    #[cfg_attr(
        not(feature = "signatures"),
        expect(dead_code, reason = "nothing is signed")
    )]
    NotSigned {
        id: String,
        reason: String,
    },
    Refused(Vec<Refusal>),
    Partial {
        written: usize,
        problems: Vec<Refusal>,
    },
    Conflict(String),
    NoIndex {
        index: String,
        /// The names of the indices that contain directives, for the error message. The error
        /// message lists existing indices because the name of the missing index may be mistyped.
        others: Vec<String>,
    },
    /// The fleet's index, with the name in the string, does not exist.
    NoFleet(String),
    NoPipeline,
    NotFound(String),
    NotOpenSearch(RequestError),
    Request(RequestError),
    Read(ReadError),
}

impl WriteError {
    /// Returns true if a directive is invalid because every proxy would reject it, or if a
    /// directive cannot be signed.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        matches!(*self.0, Kind::Invalid { .. } | Kind::NotSigned { .. })
    }

    /// Returns true if the cluster refused the request, either because of its content or because
    /// the user lacks a permission.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        match &*self.0 {
            Kind::Refused(_) => true,
            _ => self.status().is_some_and(is_refusal),
        }
    }

    /// Returns true if somebody else changed the directive after this client read it and before
    /// this client wrote it.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(*self.0, Kind::Conflict(_))
    }

    /// Returns true if OpenSearch itself reported that the directive, the index or the pipeline
    /// does not exist. A response with status 404 does not count if another server, such as a load
    /// balancer, sent it.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match &*self.0 {
            Kind::NotFound(_) | Kind::NoIndex { .. } | Kind::NoFleet(_) | Kind::NoPipeline => true,
            Kind::Read(error) => error.is_index_not_found(),
            _ => false,
        }
    }

    /// Returns true if the index of directives does not exist.
    #[must_use]
    pub fn is_index_not_found(&self) -> bool {
        match &*self.0 {
            Kind::NoIndex { .. } => true,
            Kind::Read(error) => error.is_index_not_found(),
            _ => false,
        }
    }

    /// Returns true if no node of the cluster returned a usable response in time, or if the cluster
    /// is overloaded.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.request()
            // Status 429 means that the cluster is overloaded, so a later request may succeed.
            .is_some_and(|error| error.is_unreachable() || error.status() == Some(429))
    }

    /// Creates the error that says that the fleet's index does not exist.
    pub(crate) fn no_fleet(index: &str) -> Self {
        Kind::NoFleet(index.to_owned()).into()
    }

    /// Returns true if the ingest pipeline refused all drafts only because it does not know the
    /// given field.
    pub(super) fn is_unknown_field(&self, field: &str) -> bool {
        let text = format!("{field}: it is not a field");
        match &*self.0 {
            Kind::Refused(all) => all.iter().all(|one| one.reason.starts_with(&text)),
            _ => false,
        }
    }

    /// Returns the HTTP status of the response that caused the error; `None` if no response caused
    /// it.
    fn status(&self) -> Option<u16> {
        self.request()?.status()
    }

    fn request(&self) -> Option<&RequestError> {
        match &*self.0 {
            Kind::Request(error) | Kind::NotOpenSearch(error) => Some(error),
            Kind::Read(error) => error.request(),
            _ => None,
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Invalid { id, .. } => write!(
                f,
                "the directive {} is not valid; nothing was written",
                visible(id, false)
            ),
            Kind::NotSigned { id, reason } => write!(
                f,
                "the directive {} cannot be signed: {reason}; nothing was written",
                visible(id, false)
            ),
            Kind::Refused(refusals) => write!(
                f,
                "the cluster refuses {} of the directives; nothing was written{}",
                refusals.len(),
                Refusals(refusals)
            ),
            Kind::Partial { written, problems } => write!(
                f,
                "{written} of the directives were written, {} were not{}",
                problems.len(),
                Refusals(problems)
            ),
            Kind::Conflict(id) => write!(
                f,
                "somebody else changed the directive {} in the meantime; it was not written",
                visible(id, false)
            ),
            Kind::NoIndex { index, others } => no_index(f, index, others),
            Kind::NoFleet(index) => write!(
                f,
                "the index {index} does not exist; create it with `directives init --fleet`, and start \
                 the agents with --report"
            ),
            Kind::NoPipeline => write!(
                f,
                "the ingest pipeline {PIPELINE} does not exist; install it with `directives init`"
            ),
            Kind::NotFound(id) => write!(f, "there is no directive {}", visible(id, false)),
            Kind::NotOpenSearch(_) => f.write_str(
                "the response does not come from OpenSearch; check the URL, its path, and the \
                 proxies in front of the cluster",
            ),
            Kind::Request(_) => f.write_str("the request to the cluster failed"),
            Kind::Read(error) => error.fmt(f),
        }
    }
}

/// Returns true if an HTTP status states that the cluster refuses a request. The statuses 404 and
/// 429 state that something does not exist, and that the cluster is overloaded.
pub(super) fn is_refusal(status: u16) -> bool {
    matches!(status, 400..=403 | 405..=428 | 430..=499)
}

/// Formats the message that an index does not exist, with the names of the indices that contain
/// directives.
fn no_index(f: &mut fmt::Formatter<'_>, index: &str, others: &[String]) -> fmt::Result {
    const LISTED: usize = 10;
    write!(f, "the index {index} does not exist; ")?;
    if others.is_empty() {
        return f.write_str("create it with `directives init`");
    }
    let listed = &others[..others.len().min(LISTED)];
    write!(f, "directives are in {}", listed.join(", "))?;
    if others.len() > LISTED {
        write!(f, " and {} more", others.len() - LISTED)?;
    }
    f.write_str(" (--directives-index); `directives init` would create a new one")
}

impl fmt::Debug for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for WriteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.0 {
            Kind::Invalid { source, .. } => Some(source),
            Kind::NotOpenSearch(error) | Kind::Request(error) => Some(error),
            Kind::Read(error) => error.source(),
            Kind::NotSigned { .. }
            | Kind::Refused(_)
            | Kind::Partial { .. }
            | Kind::Conflict(_)
            | Kind::NoIndex { .. }
            | Kind::NoFleet(_)
            | Kind::NoPipeline
            | Kind::NotFound(_) => None,
        }
    }
}

impl From<Kind> for WriteError {
    fn from(kind: Kind) -> Self {
        Self(Box::new(kind))
    }
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        Kind::Read(error).into()
    }
}

impl From<RequestError> for WriteError {
    fn from(error: RequestError) -> Self {
        let status = error.status();
        let foreign = matches!(status, Some(404)) && error.exception().is_none();
        let malformed = error.kind() == RequestErrorKind::Malformed;
        if foreign || malformed {
            Kind::NotOpenSearch(error).into()
        } else {
            Kind::Request(error).into()
        }
    }
}

/// A directive that could not be written or read, for example because the cluster refused it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// The id of the directive that could not be written or read.
    pub id: String,
    /// The reason why the directive could not be written or read.
    pub reason: String,
}

struct Refusals<'a>(&'a [Refusal]);

impl fmt::Display for Refusals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LISTED: usize = 20;
        for refusal in self.0.iter().take(LISTED) {
            let (id, reason) = (&refusal.id, &refusal.reason);
            write!(f, "\n  {}: {}", visible(id, false), visible(reason, false))?;
        }
        match self.0.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
