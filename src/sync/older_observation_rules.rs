//! The rules for an observation that may be older than the known state, as pure functions.
//!
//! ARCHITECTURE.md shows the same rules as two tables, and the tests follow these row by row.
//! The first row that matches decides. A step that consults an authority adds what that returned
//! to the findings, and the table is read again.

/// What a poll does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Accept,
    /// Fails the poll: the observation is older, or not to be trusted yet.
    Fail,
    Consult(Authority),
    /// Fails the poll unless the same was observed before, for this long.
    AcceptIfItPersists(Persistence),
}

/// The authority that can distinguish an older state from a newer one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Authority {
    /// The elected cluster manager: the version of the cluster state.
    ClusterManager,
    /// The primary, in real time: `_mget`.
    PrimaryDocuments,
    /// A search on the primary: what its last refresh shows.
    PrimarySearch,
}

/// For how long an observation must persist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Persistence {
    /// Two polls, on two copies if there are two.
    SecondSighting,
    /// The time in which a copy shows what it holds.
    Refresh,
    /// One minute: no write that the copy lacks is still under way.
    Minute,
}

/// What is known about the version that a poll observed.
#[derive(Clone, Copy, Debug)]
pub(super) struct VersionFindings {
    /// Whether it can follow the known version in the life of one index.
    pub(super) follows: bool,
    /// Whether the node has to show again that it is in touch with the cluster manager.
    pub(super) due: bool,
    pub(super) manager: ManagerFinding,
}

/// What the node returned for the cluster state version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ManagerFinding {
    NotConsulted,
    /// Not older than the newest one that was seen.
    Current,
    /// The first version that was seen.
    First,
    /// Older than the newest one that was seen.
    Older {
        for_a_minute: bool,
    },
    /// The node returned none, although a node returned one before.
    Withheld {
        for_a_minute: bool,
    },
    /// The node returned none, and no node has returned one before.
    NotPermitted,
}

/// Decides on the version that a poll observed.
#[expect(clippy::match_same_arms, reason = "one arm for each row of the table")]
pub(super) fn version_step(findings: VersionFindings) -> Step {
    let unless_suspicious = if findings.follows {
        Step::Accept
    } else {
        Step::AcceptIfItPersists(Persistence::SecondSighting)
    };
    match findings.manager {
        ManagerFinding::NotConsulted if findings.follows && !findings.due => Step::Accept,
        ManagerFinding::NotConsulted => Step::Consult(Authority::ClusterManager),
        ManagerFinding::Current => Step::Accept,
        ManagerFinding::Older { for_a_minute: true } => Step::Accept,
        ManagerFinding::Older { .. } => Step::Fail,
        ManagerFinding::Withheld {
            for_a_minute: false,
        } => Step::Fail,
        ManagerFinding::First | ManagerFinding::Withheld { .. } | ManagerFinding::NotPermitted => {
            unless_suspicious
        }
    }
}

/// What is known about a view that a poll read.
#[expect(clippy::struct_excessive_bools, reason = "the columns of the table")]
#[derive(Clone, Copy, Debug)]
pub(super) struct ViewFindings {
    /// Whether a document is missing, older or new in it, and it is not certainly newer.
    pub(super) regression: bool,
    /// Whether this poll observed checkpoints: they show that the node is in touch with the
    /// others.
    pub(super) checkpoints: bool,
    /// Whether the role permits statistics, so that a failover will be noticed.
    pub(super) statistics: bool,
    /// Whether the cluster manager confirmed the node after the view was read.
    pub(super) node_confirmed: bool,
    pub(super) documents: DocumentsFinding,
    pub(super) search: SearchFinding,
}

/// What `_mget` returned for the documents in question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DocumentsFinding {
    NotConsulted,
    NotPermitted,
    /// At least one document has another version.
    Contradict,
    /// All documents have the version that the view shows.
    Agree(Witness),
}

/// The copy that returned the documents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Witness {
    Primary,
    /// A copy, while every in-sync copy holds all that was read before.
    EveryCopyIsCurrent,
    /// A copy that may lack operations.
    AnyCopy,
}

/// The result of a search on the primary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SearchFinding {
    NotConsulted,
    /// The primary cannot be selected, or the server does not aggregate `_seq_no`.
    NotPermitted,
    Contradicts,
    Agrees,
}

/// Decides on a view that a poll read.
#[expect(clippy::match_same_arms, reason = "one arm for each row of the table")]
pub(super) fn view_step(findings: ViewFindings) -> Step {
    if !findings.regression {
        return Step::Accept;
    }
    if !findings.checkpoints && !findings.node_confirmed {
        return Step::Consult(Authority::ClusterManager);
    }
    match (findings.documents, findings.search) {
        (DocumentsFinding::NotConsulted, _) => Step::Consult(Authority::PrimaryDocuments),
        (DocumentsFinding::Contradict, _) => Step::Fail,
        (DocumentsFinding::Agree(Witness::Primary | Witness::EveryCopyIsCurrent), _) => {
            Step::Accept
        }
        (DocumentsFinding::Agree(Witness::AnyCopy), _) if findings.statistics => {
            Step::AcceptIfItPersists(Persistence::Minute)
        }
        (DocumentsFinding::Agree(Witness::AnyCopy), _) => {
            Step::AcceptIfItPersists(Persistence::SecondSighting)
        }
        (DocumentsFinding::NotPermitted, SearchFinding::NotConsulted) => {
            Step::Consult(Authority::PrimarySearch)
        }
        (DocumentsFinding::NotPermitted, SearchFinding::NotPermitted) => {
            Step::AcceptIfItPersists(Persistence::SecondSighting)
        }
        (DocumentsFinding::NotPermitted, SearchFinding::Contradicts) => Step::Fail,
        (DocumentsFinding::NotPermitted, SearchFinding::Agrees) => {
            Step::AcceptIfItPersists(Persistence::Refresh)
        }
    }
}

#[cfg(test)]
#[path = "older_observation_rules_tests.rs"]
mod tests;
