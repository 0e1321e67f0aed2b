//! Defines the error that is returned if an installation fails. The text of an installation error
//! names the failed step and the remedy.

use std::error::Error;
use std::fmt;

use crate::admin::error::is_refusal;
use crate::http::RequestError;

/// The error that is returned if the cluster could not be prepared for directives.
#[derive(Debug)]
pub struct InstallError(Repr);

/// The reason for an [`InstallError`], by which a caller can decide how to react.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InstallErrorKind {
    /// A request of the installation failed.
    Request,
    /// The installed resource is newer than the one that this program installs, so the program did
    /// not replace it.
    Newer,
    /// The index has unsuitable settings or an unsuitable mapping. Even an index that this
    /// installation has created can be unsuitable, because another template can change its
    /// settings.
    DoesNotFit,
    /// Another index template has the same priority as the template that should be installed, which
    /// OpenSearch does not permit.
    TemplatePriority,
    /// The cluster's setting for shard allocation awareness does not permit the requested number of
    /// replicas.
    Replicas,
    /// The limits for the lifetime of directives contradict each other.
    LifetimeLimits,
    /// The upgrade could not convert all old documents to the stored form.
    Upgrade,
    /// OpenSearch Dashboards did not import all saved objects.
    Dashboards,
    /// The data stream of the history is not append-only or has an unsuitable mapping. Even a data
    /// stream that this installation has created can be unsuitable, because another template can
    /// change its settings.
    History,
    /// Index State Management did not attach the retention policy to some of the backing indices.
    RetentionNotAttached,
    /// The caller gave a retention, which needs Index State Management, but the cluster does not
    /// have it.
    NoIndexStateManagement,
}

#[derive(Debug)]
enum Repr {
    Request(&'static str, Box<RequestError>),
    TemplatePriority(Box<RequestError>),
    Replicas(Box<RequestError>),
    Newer {
        what: &'static str,
        installed: u64,
        ours: u64,
    },
    DoesNotFit {
        index: String,
        problems: Vec<String>,
        made_now: bool,
    },
    LifetimeLimits(String),
    Upgrade {
        index: String,
        left: u64,
    },
    Dashboards(String),
    History {
        stream: String,
        problems: Vec<String>,
    },
    RetentionNotAttached(Vec<String>),
    NoIndexStateManagement {
        stream: String,
        source: Box<RequestError>,
    },
    /// The address of OpenSearch Dashboards or the login is wrong; the string says how to correct
    /// it.
    DashboardsAddress(&'static str, Box<RequestError>),
}

impl InstallError {
    pub(in crate::admin) fn request(what: &'static str, source: RequestError) -> Self {
        Self(Repr::Request(what, Box::new(source)))
    }

    /// Creates the error for a failed step of an installation. If the cluster refused the step for
    /// a known reason, the error's text contains the remedy.
    pub(super) fn of_step(what: &'static str, source: RequestError) -> Self {
        let says = |words: &str| source.reason().is_some_and(|reason| reason.contains(words));
        if says("same priority") {
            Self(Repr::TemplatePriority(Box::new(source)))
        } else if says("awareness") {
            Self(Repr::Replicas(Box::new(source)))
        } else {
            Self::request(what, source)
        }
    }

    pub(super) fn newer(what: &'static str, installed: u64, ours: u64) -> Self {
        Self(Repr::Newer {
            what,
            installed,
            ours,
        })
    }

    pub(super) fn does_not_fit(index: &str, problems: Vec<String>, made_now: bool) -> Self {
        Self(Repr::DoesNotFit {
            index: index.to_owned(),
            problems,
            made_now,
        })
    }

    pub(super) fn limits(problem: impl Into<String>) -> Self {
        Self(Repr::LifetimeLimits(problem.into()))
    }

    pub(super) fn upgrade(index: &str, left: u64) -> Self {
        Self(Repr::Upgrade {
            index: index.to_owned(),
            left,
        })
    }

    pub(super) fn dashboards(errors: String) -> Self {
        Self(Repr::Dashboards(errors))
    }

    pub(super) fn dashboards_address(problem: &'static str, source: RequestError) -> Self {
        Self(Repr::DashboardsAddress(problem, Box::new(source)))
    }

    pub(super) fn history(stream: &str, problems: Vec<String>) -> Self {
        Self(Repr::History {
            stream: stream.to_owned(),
            problems,
        })
    }

    pub(super) fn retention_not_attached(problems: Vec<String>) -> Self {
        Self(Repr::RetentionNotAttached(problems))
    }

    pub(super) fn no_ism(stream: &str, source: RequestError) -> Self {
        Self(Repr::NoIndexStateManagement {
            stream: stream.to_owned(),
            source: Box::new(source),
        })
    }

    /// Returns the reason for the failure of the installation.
    #[must_use]
    pub fn kind(&self) -> InstallErrorKind {
        match self.0 {
            Repr::Request(..) => InstallErrorKind::Request,
            Repr::TemplatePriority(_) => InstallErrorKind::TemplatePriority,
            Repr::Replicas(_) => InstallErrorKind::Replicas,
            Repr::Newer { .. } => InstallErrorKind::Newer,
            Repr::DoesNotFit { .. } => InstallErrorKind::DoesNotFit,
            Repr::LifetimeLimits(_) => InstallErrorKind::LifetimeLimits,
            Repr::Upgrade { .. } => InstallErrorKind::Upgrade,
            Repr::Dashboards(_) | Repr::DashboardsAddress(..) => InstallErrorKind::Dashboards,
            Repr::History { .. } => InstallErrorKind::History,
            Repr::RetentionNotAttached(_) => InstallErrorKind::RetentionNotAttached,
            Repr::NoIndexStateManagement { .. } => InstallErrorKind::NoIndexStateManagement,
        }
    }

    /// Returns true if the caller's input is invalid, because the limits for the lifetime of
    /// directives contradict each other.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        matches!(self.0, Repr::LifetimeLimits(_))
    }

    /// Returns true if OpenSearch itself reported that the requested resource does not exist. A
    /// response with status 404 does not count if another server, such as a load balancer, sent it.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.request_error()
            .is_some_and(|error| error.status() == Some(404) && error.exception().is_some())
    }

    /// Returns true if no node returned a usable response in time, or if the cluster is overloaded.
    /// If no node is reachable or the cluster is overloaded, a later attempt may succeed.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.request_error()
            .is_some_and(|error| error.is_unreachable() || error.status() == Some(429))
    }

    /// Returns true if the cluster refused a request of the installation, or did not accept the
    /// credentials.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        match self.0 {
            Repr::TemplatePriority(_) | Repr::Replicas(_) | Repr::NoIndexStateManagement { .. } => {
                true
            }
            Repr::Request(_, ref source) | Repr::DashboardsAddress(_, ref source) => {
                source.status().is_some_and(is_refusal)
            }
            Repr::Newer { .. }
            | Repr::DoesNotFit { .. }
            | Repr::LifetimeLimits(_)
            | Repr::Upgrade { .. }
            | Repr::History { .. }
            | Repr::RetentionNotAttached(_)
            | Repr::Dashboards(_) => false,
        }
    }

    /// Returns the error of the failed request, if a request caused the installation error.
    #[must_use]
    pub fn request_error(&self) -> Option<&RequestError> {
        match &self.0 {
            Repr::Request(_, source)
            | Repr::TemplatePriority(source)
            | Repr::Replicas(source)
            | Repr::NoIndexStateManagement { source, .. }
            | Repr::DashboardsAddress(_, source) => Some(source),
            Repr::Newer { .. }
            | Repr::DoesNotFit { .. }
            | Repr::LifetimeLimits(_)
            | Repr::Upgrade { .. }
            | Repr::History { .. }
            | Repr::RetentionNotAttached(_)
            | Repr::Dashboards(_) => None,
        }
    }
}

impl Error for InstallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.request_error().map(|error| error as _)
    }
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Request(what, _) => write!(f, "cannot install the {what}"),
            Repr::TemplatePriority(_) => f.write_str(
                "another index template with the same priority matches the index; set a higher \
                 priority with --template-priority",
            ),
            Repr::Replicas(_) => f.write_str(
                "the cluster's zones do not allow one replica; set --replicas to a multiple of \
                 the number of zones, minus one",
            ),
            Repr::Newer {
                what,
                installed,
                ours,
            } => write!(
                f,
                "the {what} has version {installed}, but this program installs version {ours}; \
                 use a newer program, or delete the {what} first"
            ),
            Repr::DoesNotFit {
                index,
                problems,
                made_now,
            } => does_not_fit(f, index, problems, *made_now),
            Repr::LifetimeLimits(problem) => f.write_str(problem),
            Repr::Upgrade { index, left } => write!(
                f,
                "{left} documents of the index {index} are not converted yet, because of \
                 concurrent writes; run the upgrade again"
            ),
            Repr::DashboardsAddress(problem, _) => f.write_str(problem),
            Repr::History { stream, problems } => write!(
                f,
                "the history {stream} is unsuitable: {}; exclude it from index templates of a higher \
                 priority, keep its records in a snapshot, delete it, and install it again",
                problems.join("; ")
            ),
            Repr::RetentionNotAttached(problems) => write!(
                f,
                "the retention policy is installed, but Index State Management did not attach it to \
                 all backing indices, so it deletes no records of the others: {}; correct that, and \
                 install the history again",
                problems.join("; ")
            ),
            Repr::NoIndexStateManagement { stream, .. } => write!(
                f,
                "the cluster has no Index State Management, so nothing can delete old records of \
                 {stream} by itself; install the history without --retention, call POST \
                 /{stream}/_rollover each month, and delete backing indices that are old enough"
            ),
            Repr::Dashboards(errors) => write!(
                f,
                "OpenSearch Dashboards did not import all saved objects: {errors}"
            ),
        }
    }
}

fn does_not_fit(
    f: &mut fmt::Formatter<'_>,
    index: &str,
    problems: &[String],
    made_now: bool,
) -> fmt::Result {
    let problems = problems.join("; ");
    if made_now {
        write!(
            f,
            "the index {index} was created, but is unsuitable: {problems}; an index template with \
             a higher priority changed it: exclude the index from that template, delete the index \
             and install again"
        )
    } else {
        write!(
            f,
            "the index {index} exists, but is unsuitable: {problems}; reindex it into an index that \
             `directives init` creates, or use another name"
        )
    }
}
