//! The rules that decide whether a poll accepts a version or a view that may be older than the last
//! accepted view. All functions in this file are pure: they send no requests and change no state.
//!
//! ARCHITECTURE.md contains the rules for versions and for views as two tables. The tests of this
//! file check each row of the two tables in ARCHITECTURE.md. The first row of a table that matches
//! the findings decides what the poll does next. If the row says that the poll consults an
//! authority, the poll adds the response of the authority to the findings and evaluates the table
//! again.

/// What a poll does next with a version or a view that may be older than the last accepted view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Accept,
    /// The poll fails, because the version or the view is older or cannot be trusted yet.
    Fail,
    Consult(Authority),
    /// The poll accepts the version or the view if earlier polls have observed the same for the
    /// given time, and fails if not.
    AcceptIfItPersists(Persistence),
}

/// An authority that can tell whether an observed state of the index is older than the last
/// accepted view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Authority {
    /// The elected cluster manager, which knows the current version of the cluster state.
    ClusterManager,
    /// The primary shard, which returns the current versions of documents to the real-time request
    /// `_mget`.
    PrimaryDocuments,
    /// A search on the primary, which shows the state of the primary at its last refresh.
    PrimarySearch,
}

/// The time for which polls must observe the same version or view before a poll accepts it without
/// an authority.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Persistence {
    /// Two polls must observe the same version or view. If the shard has several copies, the second
    /// poll may read another copy than the first poll.
    SecondSighting,
    /// Polls must observe the same view until a search on a shard copy certainly returns every
    /// operation that the copy holds.
    Refresh,
    /// Polls must observe the same view for one minute. One minute is enough, because a write that
    /// a shard copy still lacks cannot be in progress for longer than a minute.
    Minute,
}

/// The facts about the version of the index that a poll has observed.
#[derive(Clone, Copy, Debug)]
pub(super) struct VersionFindings {
    /// True if the observed version can be later than the last accepted view of the same index.
    pub(super) follows: bool,
    /// True if the last confirmation of the node has expired, so that the node must prove its
    /// contact with the cluster manager again.
    pub(super) due: bool,
    pub(super) manager: ManagerFinding,
}

/// A node's response to the request for the version of the cluster state, compared with the earlier
/// responses of all nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ManagerFinding {
    NotConsulted,
    /// The node returned a version of the cluster state that is not older than any version that a
    /// node has returned before.
    Current,
    /// The node returned a version of the cluster state, and no node has returned a version before.
    First,
    /// The node returned a version of the cluster state that is older than a version that a node
    /// has returned before.
    Older {
        for_a_minute: bool,
    },
    /// The node returned no version of the cluster state, although a node has returned a version
    /// before.
    Withheld {
        for_a_minute: bool,
    },
    /// The node returned no version of the cluster state, and no node has returned a version
    /// before.
    NotPermitted,
}

/// Decides how a poll continues after it has observed the version of the index: the poll accepts
/// the version, fails, or consults an authority.
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

/// The facts about a view that a poll has read.
#[expect(clippy::struct_excessive_bools, reason = "the columns of the table")]
#[derive(Clone, Copy, Debug)]
pub(super) struct ViewFindings {
    /// True if the view has a possible regression: a document is missing, older or new compared
    /// with the last accepted view, and the view is not certainly newer.
    pub(super) regression: bool,
    /// True if the poll has observed the checkpoints of the primaries. A response with checkpoints
    /// proves that the node that serves the poll has contact with other nodes.
    pub(super) checkpoints: bool,
    /// True if the role permits the index statistics. With the index statistics, polls notice that
    /// another primary has taken over.
    pub(super) statistics: bool,
    /// True if the cluster manager has confirmed the node after the view was read.
    pub(super) node_confirmed: bool,
    pub(super) documents: DocumentsFinding,
    pub(super) search: SearchFinding,
}

/// The result of an `_mget` request for the documents of a view that are possible regressions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DocumentsFinding {
    NotConsulted,
    NotPermitted,
    /// The version that `_mget` returned differs from the version in the view for at least one
    /// document.
    Contradict,
    /// The version that `_mget` returned equals the version in the view for all requested
    /// documents.
    Agree(Witness),
}

/// Which shard copy returned the documents of an `_mget` request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Witness {
    Primary,
    /// A shard copy that may not be the primary returned the documents, but every in-sync copy
    /// holds all operations of the last accepted view.
    EveryCopyIsCurrent,
    /// A shard copy that may not be the primary returned the documents, and this copy may lack
    /// operations of the last accepted view.
    AnyCopy,
}

/// The result of a search on the primary with which the poll checks a view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SearchFinding {
    NotConsulted,
    /// A search cannot select the primary, or the server cannot aggregate `_seq_no`.
    NotPermitted,
    Contradicts,
    Agrees,
}

/// Decides how a poll continues after it has read a view: the poll accepts the view, fails, or
/// consults an authority.
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
