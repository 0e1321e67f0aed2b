//! Checks a store against each rule of the conformance kit.
//!
//! For the rules about publishing, the kit publishes sets that each encode a number. For each bit
//! of the number, a published set has two directives. The level of one directive encodes a bit of
//! the number, and the level of the other directive encodes the inverted bit. In a mixture of two
//! published sets, a bit of the number is missing, or the two directives of a bit have the same
//! level.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;

use jiff::{SignedDuration, Timestamp};

use super::{Kit, Outcome, Report, Rule, Subject, noon};
use crate::{DiagLevel, DiagnosticsDirective, DirectiveMatch, EndpointKind, RequestAttrs};

const NO_PUBLISH: &str = "the store cannot publish";

pub(super) fn check<S: Subject>(kit: &Kit, subject: &S) -> Report {
    let mut report = Report::default();
    if subject.publish(number_as_directives(0)) {
        let (whole, forwards) = under_publishes(kit, subject);
        report.add(Rule::PublishedWhole, whole);
        report.add(Rule::NeverBackwards, forwards);
        report.add(Rule::SnapshotKept, snapshot_kept(subject));
        subject.publish(timed_directives());
    } else {
        report.add(Rule::PublishedWhole, Outcome::Skipped(NO_PUBLISH));
        report.add(Rule::NeverBackwards, Outcome::Skipped(NO_PUBLISH));
        report.add(Rule::SnapshotKept, Outcome::Skipped(NO_PUBLISH));
    }
    report.add(Rule::ExpiryAtRead, expiry_at_read(subject));
    report.add(Rule::StartAtRead, start_at_read(subject));
    report.add(Rule::NoIdNoSample, no_id_no_sample(subject));
    report.add(Rule::NoAllocation, no_allocation(kit, subject));
    report
}

const BITS: usize = 16;
/// The tenants that the published directives target, one tenant for each bit of the number.
const TENANTS: [&str; BITS] = [
    "bit-0", "bit-1", "bit-2", "bit-3", "bit-4", "bit-5", "bit-6", "bit-7", "bit-8", "bit-9",
    "bit-10", "bit-11", "bit-12", "bit-13", "bit-14", "bit-15",
];

/// The principals that the two directives for each bit of the number target. The directive for the
/// principal `as-it-is` encodes the bit, and the one for `opposite` encodes the inverted bit.
const AS_IT_IS: &str = "as-it-is";
const OPPOSITE: &str = "opposite";

fn number_as_directives(number: u16) -> Vec<DiagnosticsDirective> {
    let directives = |principal: &'static str, number: u16| {
        TENANTS.iter().enumerate().map(move |(bit, tenant)| {
            let targets = DirectiveMatch::all()
                .for_tenant(*tenant)
                .for_principal(principal);
            let level = level_of_bit(number >> bit & 1 == 1);
            DiagnosticsDirective::new(*tenant, level, expiry()).with_match(targets)
        })
    };
    directives(AS_IT_IS, number)
        .chain(directives(OPPOSITE, !number))
        .collect()
}

fn level_of_bit(is_set: bool) -> DiagLevel {
    if is_set {
        DiagLevel::ShapeTiming
    } else {
        DiagLevel::Shape
    }
}

/// Returns the number that a loaded set encodes, or `None` if the kit has not published this set.
fn number_of<S: Subject>(subject: &S, set: &S::Set) -> Option<u16> {
    let mut number = 0;
    for (bit, tenant) in TENANTS.iter().enumerate() {
        let level = |principal| {
            let attrs = RequestAttrs::new("orders", principal, EndpointKind::Search);
            let attrs = attrs.with_tenant(tenant);
            subject.evaluate(set, &attrs, noon(), "r").level
        };
        let is_set = level(AS_IT_IS) == DiagLevel::ShapeTiming;
        if level(AS_IT_IS) != level_of_bit(is_set) || level(OPPOSITE) != level_of_bit(!is_set) {
            return None;
        }
        number |= u16::from(is_set) << bit;
    }
    Some(number)
}

fn level<S: Subject>(
    subject: &S,
    set: &S::Set,
    tenant: &str,
    now: Timestamp,
    request_id: &str,
) -> DiagLevel {
    let attrs = RequestAttrs::new("orders", "checkout", EndpointKind::Search).with_tenant(tenant);
    subject.evaluate(set, &attrs, now, request_id).level
}

/// Publishes sets that encode ascending numbers, while other threads load sets. Each loading thread
/// checks that its set is not older than the set of the last publish that has returned.
fn under_publishes<S: Subject>(kit: &Kit, subject: &S) -> (Outcome, Outcome) {
    let published = AtomicU16::new(0);
    let started = AtomicU16::new(0);
    let done = AtomicBool::new(false);
    let observed: Vec<Reader> = thread::scope(|scope| {
        let readers: Vec<_> = (0..kit.threads)
            .map(|_| scope.spawn(|| Reader::run(subject, &published, &started, &done)))
            .collect();
        for number in 1..=kit.publishes {
            started.store(number, Ordering::SeqCst);
            subject.publish(number_as_directives(number));
            published.store(number, Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
        let joined = readers.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .map(|reader| reader.unwrap_or_else(|_| Reader::panicked()))
            .collect()
    });
    let torn = observed.iter().find_map(|reader| reader.torn.clone());
    let backwards = observed.iter().find_map(|reader| reader.backwards.clone());
    (outcome(torn), outcome(backwards))
}

fn outcome(broken: Option<String>) -> Outcome {
    broken.map_or(Outcome::Kept, Outcome::Broken)
}

/// The violations that one of the loading threads has found.
#[derive(Debug, Default)]
struct Reader {
    torn: Option<String>,
    backwards: Option<String>,
}

impl Reader {
    fn run<S: Subject>(
        subject: &S,
        published: &AtomicU16,
        started: &AtomicU16,
        done: &AtomicBool,
    ) -> Self {
        let mut reader = Self::default();
        let mut last = 0;
        loop {
            let was_done = done.load(Ordering::SeqCst);
            let lower_bound = published.load(Ordering::SeqCst).max(last);
            let number = number_of(subject, &subject.load());
            let most = started.load(Ordering::SeqCst);
            if let ControlFlow::Break(()) = reader.note(number, lower_bound, most) {
                return reader;
            }
            last = number.unwrap_or(last);
            if was_done {
                return reader;
            }
        }
    }

    fn note(&mut self, number: Option<u16>, lower_bound: u16, most: u16) -> ControlFlow<()> {
        match number {
            Some(number) if number < lower_bound => {
                self.backwards = Some(format!("set {number} was loaded after set {lower_bound}"));
                ControlFlow::Break(())
            }
            Some(number) if number <= most => ControlFlow::Continue(()),
            _ => {
                self.torn = Some(format!(
                    "a load returned a set that was never published, such as a mixture of two sets \
                     (published so far: sets 0 to {most})"
                ));
                ControlFlow::Break(())
            }
        }
    }

    fn panicked() -> Self {
        let panicked = Some("a load or an evaluation panicked".to_owned());
        Self {
            torn: panicked.clone(),
            backwards: panicked,
        }
    }
}

fn snapshot_kept<S: Subject>(subject: &S) -> Outcome {
    subject.publish(number_as_directives(1));
    let held = subject.load();
    for number in 2..100 {
        subject.publish(number_as_directives(number));
        let now = number_of(subject, &held);
        if now != Some(1) {
            return Outcome::Broken(format!("set 1 became {now:?} when {number} was published"));
        }
    }
    Outcome::Kept
}

const EXPIRES: &str = "expires";
const STARTS: &str = "starts";
const SAMPLES: &str = "samples";
/// The sample rate, in per mille, with which the kit tests requests without an id. With osproxy's
/// hash, requests without an id are in every sample of 38 per mille or more.
const SAMPLE: u16 = 500;

fn expiry() -> Timestamp {
    noon() + SignedDuration::from_mins(10)
}

fn start() -> Timestamp {
    noon() + SignedDuration::from_mins(5)
}

pub(super) fn timed_directives() -> Vec<DiagnosticsDirective> {
    let directive = |tenant: &str| {
        DiagnosticsDirective::new(tenant, DiagLevel::Shape, expiry())
            .with_match(DirectiveMatch::all().for_tenant(tenant))
    };
    vec![
        directive(EXPIRES),
        directive(STARTS).with_starts_at(start()),
        directive(SAMPLES).with_sample_per_mille(SAMPLE),
    ]
}

fn nanosecond() -> SignedDuration {
    SignedDuration::from_nanos(1)
}

/// Checks at each given instant whether the directive for the given tenant applies as expected.
fn applies_at<S: Subject>(subject: &S, tenant: &str, expected: &[(Timestamp, bool)]) -> Outcome {
    let set = subject.load();
    let wrong = expected.iter().find_map(|&(now, expected)| {
        let applies = level(subject, &set, tenant, now, "r") == DiagLevel::Shape;
        (applies != expected).then(|| {
            let word = if applies { "applies" } else { "does not apply" };
            format!("it {word} at {now}")
        })
    });
    outcome(wrong)
}

fn expiry_at_read<S: Subject>(subject: &S) -> Outcome {
    let expected = [
        (noon(), true),
        (expiry() - nanosecond(), true),
        (expiry(), false),
        (expiry() + nanosecond(), false),
    ];
    applies_at(subject, EXPIRES, &expected)
}

fn start_at_read<S: Subject>(subject: &S) -> Outcome {
    let expected = [
        (noon(), false),
        (start() - nanosecond(), false),
        (start(), true),
        (expiry(), false),
    ];
    applies_at(subject, STARTS, &expected)
}

fn no_id_no_sample<S: Subject>(subject: &S) -> Outcome {
    let set = subject.load();
    let sampled = level(subject, &set, SAMPLES, noon(), "") != DiagLevel::Off;
    outcome(sampled.then(|| format!("it is in a sample of {SAMPLE} per mille")))
}

fn no_allocation<S: Subject>(kit: &Kit, subject: &S) -> Outcome {
    let Some(count) = kit.count_allocations else {
        return Outcome::Skipped("no function that counts allocations was given");
    };
    let mut request = || {
        let set = subject.load();
        level(subject, &set, EXPIRES, noon(), "r");
    };
    // The kit does not count the allocations of a thread's first load, because this load may
    // initialise thread-local memory.
    request();
    let allocations = count(&mut request);
    outcome((allocations > 0).then(|| format!("{allocations} allocations")))
}
