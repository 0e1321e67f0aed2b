//! Defines the rules of the conformance kit, and the report of whether a store follows them.

use std::fmt;

/// A rule that the conformance kit checks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Rule {
    /// A load from the store returns one complete published set, never a mixture of two sets.
    PublishedWhole,
    /// Once a publish has returned, every later load returns the published set or a later one, on
    /// every thread. No thread loads a set that is older than a set that it has loaded before.
    NeverBackwards,
    /// A loaded set does not change when another set is published.
    SnapshotKept,
    /// A directive stops applying exactly at its expiry, according to the time that the caller
    /// passes to the evaluation.
    ExpiryAtRead,
    /// A directive does not apply before its start.
    StartAtRead,
    /// A request without an id is in no sample below 1000 per mille.
    NoIdNoSample,
    /// Neither loading the set nor evaluating a request allocates memory.
    NoAllocation,
}

impl Rule {
    /// All rules of the conformance kit, in the order in which the report lists them.
    pub const ALL: [Self; 7] = [
        Self::PublishedWhole,
        Self::NeverBackwards,
        Self::SnapshotKept,
        Self::ExpiryAtRead,
        Self::StartAtRead,
        Self::NoIdNoSample,
        Self::NoAllocation,
    ];

    /// Returns a short description of the rule for the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PublishedWhole => "a load returns one complete published set",
            Self::NeverBackwards => "no load returns an older set than was published before it",
            Self::SnapshotKept => "a loaded set does not change",
            Self::ExpiryAtRead => "a directive ends at its expiry",
            Self::StartAtRead => "a directive does not apply before its start",
            Self::NoIdNoSample => "a request without an id is in no sample",
            Self::NoAllocation => "a load and an evaluation do not allocate",
        }
    }
}

/// Whether a store follows a rule of the conformance kit.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The kit has observed no violation of the rule.
    Kept,
    /// The store breaks the rule, and the text describes how.
    Broken(String),
    /// The kit could not check the rule, and the text says why.
    Skipped(&'static str),
}

/// Says for each rule of the conformance kit whether one store follows it. Displaying the report
/// writes one line for each rule.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct Report {
    outcomes: Vec<(Rule, Outcome)>,
}

impl Report {
    pub(super) fn add(&mut self, rule: Rule, outcome: Outcome) {
        self.outcomes.push((rule, outcome));
    }

    /// Returns each rule of the conformance kit and its outcome.
    #[must_use]
    pub fn outcomes(&self) -> &[(Rule, Outcome)] {
        &self.outcomes
    }

    /// Returns the rules that the store breaks.
    #[must_use]
    pub fn broken(&self) -> Vec<Rule> {
        let is_broken = |(_, outcome): &&(Rule, Outcome)| matches!(outcome, Outcome::Broken(_));
        let broken = self.outcomes.iter().filter(is_broken);
        broken.map(|(rule, _)| *rule).collect()
    }

    /// Returns true if the store has broken no rule.
    #[must_use]
    pub fn conforms(&self) -> bool {
        self.broken().is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (rule, outcome) in &self.outcomes {
            let rule = rule.as_str();
            match outcome {
                Outcome::Kept => writeln!(f, "kept     {rule}")?,
                Outcome::Broken(observed) => writeln!(f, "BROKEN   {rule}: {observed}")?,
                Outcome::Skipped(reason) => writeln!(f, "skipped  {rule}: {reason}")?,
            }
        }
        Ok(())
    }
}
