//! The result of a write for one directive, with its name in the report and the exit code that it
//! causes.

use opensearch_directives::admin::PlannedKind;

use super::exit::Exit;

/// What a write did, or would do, with one directive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Done {
    Created,
    Replaced,
    Unchanged,
    Revoked,
    Signed,
    Deleted,
    NotFound,
    Skipped,
    Conflict,
    Refused,
    Unknown,
    NotSent,
}

impl Done {
    /// Returns the name of the result in the report, such as `created`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
            Self::Revoked => "revoked",
            Self::Signed => "signed",
            Self::Deleted => "deleted",
            Self::NotFound => "not found",
            Self::Skipped => "skipped",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::NotSent => "not sent",
        }
    }

    /// Returns the verb with which a dry run describes the result, such as `create`; `None` if
    /// nothing would be written.
    pub(super) fn verb(self) -> Option<&'static str> {
        match self {
            Self::Created => Some("create"),
            Self::Replaced => Some("replace"),
            Self::Revoked => Some("revoke"),
            Self::Signed => Some("sign"),
            Self::Deleted => Some("delete"),
            Self::Unchanged
            | Self::NotFound
            | Self::Skipped
            | Self::Conflict
            | Self::Refused
            | Self::Unknown
            | Self::NotSent => None,
        }
    }

    /// Returns the exit code of the command if this is its worst result.
    pub(super) fn exit(self) -> Exit {
        match self {
            Self::Created
            | Self::Replaced
            | Self::Unchanged
            | Self::Revoked
            | Self::Signed
            | Self::Deleted => Exit::Success,
            Self::NotFound => Exit::NotFound,
            Self::Skipped => Exit::Usage,
            Self::Conflict => Exit::Conflict,
            Self::Refused => Exit::Refused,
            Self::Unknown | Self::NotSent => Exit::Unreachable,
        }
    }
}

impl From<PlannedKind> for Done {
    fn from(kind: PlannedKind) -> Self {
        match kind {
            PlannedKind::Create => Self::Created,
            PlannedKind::Replace => Self::Replaced,
            PlannedKind::Revoke => Self::Revoked,
            PlannedKind::Sign => Self::Signed,
            PlannedKind::Delete => Self::Deleted,
            PlannedKind::Nothing => Self::Unchanged,
        }
    }
}

/// A directive that the user named, but for which the command plans no write.
#[derive(Debug)]
pub(super) struct NotPlanned {
    pub(super) id: String,
    pub(super) done: Done,
    pub(super) detail: String,
}

impl NotPlanned {
    /// Creates the result for an id for which the index contains no directive.
    pub(super) fn missing(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            done: Done::NotFound,
            detail: "there is no such directive".to_owned(),
        }
    }

    /// Creates the result for a directive that the command cannot change as the user wants.
    pub(super) fn skipped(id: impl Into<String>, detail: String) -> Self {
        Self {
            id: id.into(),
            done: Done::Skipped,
            detail,
        }
    }
}
