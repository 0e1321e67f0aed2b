//! The rules that decide whether a poll accepts an observation that may be older than the known
//! state. All functions in this file are pure.
//!
//! ARCHITECTURE.md contains the rules as two tables. The tests check each row of the two tables.
//! The first row of a table that matches the findings decides which step follows. If the step is to
//! consult an authority, the poll adds the response of the authority to the findings and evaluates
//! the table again.

/// What a poll does next with an observation that may be older than the known state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Accept,
    /// The poll fails, because the observation is older or cannot be trusted yet.
    Fail,
    Consult(Authority),
    /// The poll accepts the observation if it has persisted for the given time, and fails
    /// otherwise.
    AcceptIfItPersists(Persistence),
}

/// An authority that can tell whether an observed state of the index is older than the known state.
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

/// The time for which polls must make the same observation before a poll accepts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Persistence {
    /// Two polls must make the same observation. If the shard has several copies, the second poll
    /// uses another copy than the first poll.
    SecondSighting,
    /// The observation must persist until a search on a shard copy certainly returns every
    /// operation that the copy holds.
    Refresh,
    /// The observation must persist for one minute. A write that a lagging copy lacks cannot be in
    /// progress for longer than a minute.
    Minute,
}

/// The facts about the version that a poll observed.
#[derive(Clone, Copy, Debug)]
pub(super) struct VersionFindings {
    /// Whether the observed version can be a later version of the known index.
    pub(super) follows: bool,
    /// Whether the confirmation of the node has expired, so that the node must prove its contact
    /// with the cluster manager again.
    pub(super) due: bool,
    pub(super) manager: ManagerFinding,
}

/// A node's response to the request for the version of the cluster state, compared with the earlier
/// responses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ManagerFinding {
    NotConsulted,
    /// The node returned a version of the cluster state that is not older than the newest version
    /// seen so far.
    Current,
    /// The node returned a version of the cluster state, and no node has returned one before.
    First,
    /// The node returned a version of the cluster state that is older than the newest version seen
    /// so far.
    Older {
        for_a_minute: bool,
    },
    /// The node returned no version of the cluster state, although a node returned one before.
    Withheld {
        for_a_minute: bool,
    },
    /// The node returned no version of the cluster state, and no node has returned one before.
    NotPermitted,
}

/// Decides how a poll continues after it has observed a version: it accepts the version, fails, or
/// consults an authority.
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

/// The facts about a view that a poll read.
#[expect(clippy::struct_excessive_bools, reason = "the columns of the table")]
#[derive(Clone, Copy, Debug)]
pub(super) struct ViewFindings {
    /// Whether the view has a possible regression: a document is missing, older or new compared
    /// with the known view, and the view is not certainly newer.
    pub(super) regression: bool,
    /// Whether the poll observed checkpoints. Checkpoints prove that the node that serves the poll
    /// has contact with other nodes.
    pub(super) checkpoints: bool,
    /// Whether the role permits the index statistics. With statistics, polls notice a failover.
    pub(super) statistics: bool,
    /// Whether the cluster manager confirmed the node after the view was read.
    pub(super) node_confirmed: bool,
    pub(super) documents: DocumentsFinding,
    pub(super) search: SearchFinding,
}

/// The result of an `_mget` request for the suspect documents of a view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DocumentsFinding {
    NotConsulted,
    NotPermitted,
    /// For at least one document, the version that `_mget` returned differs from the version in the
    /// view.
    Contradict,
    /// For all documents, the version that `_mget` returned equals the version in the view.
    Agree(Witness),
}

/// Which shard copy returned the documents of an `_mget` request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Witness {
    Primary,
    /// A copy that may not be the primary returned the documents, but every in-sync copy holds all
    /// operations of the known view.
    EveryCopyIsCurrent,
    /// A copy that may not be the primary returned the documents, and this copy may lack
    /// operations.
    AnyCopy,
}

/// The result of a search on the primary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SearchFinding {
    NotConsulted,
    /// The search cannot select the primary, or the server cannot aggregate `_seq_no`.
    NotPermitted,
    Contradicts,
    Agrees,
}

/// Decides how a poll continues after it has read a view: it accepts the view, fails, or consults
/// an authority.
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
