//! Tests the simulation itself: the schedules must detect a refresher that leaves out one
//! safeguard. The schedules must also detect a network that hides the data that a safeguard needs.

use super::random_schedules::plan;
use crate::schedule_runner::{Plan, run_alone, run_many};
use crate::simulated_transport::Lie;
use crate::world_parameters::Shape;
use opensearch_directives::internal::Safeguard;

/// If the refreshers leave out a safeguard, at least one of this number of schedules must break a
/// promise.
const SCHEDULES: u64 = 3_000;

/// Runs schedules in which refreshers without one safeguard broke a promise in the past. Checks
/// that a refresher without the safeguard `left_out` still breaks a promise in each schedule of
/// `seeds`. The default run begins with seed 1, so the seed of a schedule is also its position in
/// the default run.
fn must_break_in(seeds: &[u64], promise: &str, left_out: Safeguard) {
    let mut plan = plan();
    plan.left_out = Some(left_out);
    for &seed in seeds {
        let failure = run_alone(seed, &plan).err();
        let failure = failure.unwrap_or_else(|| panic!("{left_out:?} does not show in {seed}"));
        assert_eq!(failure.broken.promise, promise, "{failure}");
        println!("{left_out:?}: {promise} in schedule {seed}");
    }
}

fn must_break(promises: &[&str], left_out: Option<Safeguard>, lie: Option<Lie>) {
    let shape = Shape::all();
    let plan = Plan {
        shape,
        left_out,
        lie,
    };
    let failure = (1..=SCHEDULES)
        .find_map(|seed| run_alone(seed, &plan).err())
        .unwrap_or_else(|| panic!("{left_out:?}, {lie:?}: no schedule shows it"));
    let (seed, broken) = (failure.seed, failure.broken);
    println!(
        "{left_out:?}, {lie:?}: {} in schedule {seed}: {}",
        broken.promise, broken.how
    );
    assert!(promises.contains(&broken.promise), "{broken:?}");
}

/// For each safeguard, finds the first schedule that detects that the safeguard is missing. The
/// tests that call `must_break_in` contain seeds that this ignored test has found.
#[test]
#[ignore = "a search that takes minutes"]
fn how_many_schedules_each_missing_safeguard_takes() {
    let at_most = std::env::var("SIMULATION_SCHEDULES").map_or(100_000, |n| n.parse().unwrap());
    let only = std::env::var("SIMULATION_WITHOUT").ok();
    for left_out in Safeguard::ALL {
        if only
            .as_ref()
            .is_some_and(|only| !only.split(',').any(|one| one == format!("{left_out:?}")))
        {
            continue;
        }
        let mut plan = plan();
        plan.left_out = Some(left_out);
        let (mut from, mut found) = (1, Vec::new());
        while found.is_empty() && from <= at_most {
            (_, found) = run_many(from, 1_000, &plan);
            from += 1_000;
        }
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.seed, one.broken.promise))
            .collect();
        println!("{left_out:?}: {found:?}");
    }
}

#[test]
fn a_refresher_without_regression_checks_is_detected() {
    must_break(&["P3"], Some(Safeguard::Regressions), None);
}

#[test]
fn a_refresher_that_trusts_numbers_across_primary_terms_is_detected() {
    must_break(&["P1, P2, P6", "P13"], Some(Safeguard::PrimaryTerm), None);
}

#[test]
fn a_reconcile_that_trusts_counts_across_primary_terms_is_detected() {
    must_break(&["P1, P2, P6", "P13"], Some(Safeguard::ReconcileTerm), None);
}

#[test]
fn a_refresher_that_does_not_confirm_the_node_before_a_read_is_detected() {
    must_break(&["P3", "P1, P2, P6"], Some(Safeguard::ConfirmNode), None);
}

#[test]
fn a_refresher_that_does_not_confirm_the_node_after_a_read_is_detected() {
    // Only about one schedule in 8,000 detects a refresher that does not confirm the node after a
    // read.
    must_break_in(&[8_011], "P3", Safeguard::ConfirmAfterRead);
}

#[test]
fn a_refresher_that_accepts_an_unconfirmed_view_at_once_is_detected() {
    must_break(&["P3"], Some(Safeguard::Persistence), None);
}

#[test]
fn a_refresher_without_fingerprints_is_detected() {
    must_break(&["P1, P2, P6"], Some(Safeguard::Fingerprint), None);
}

#[test]
fn a_refresher_that_publishes_incomplete_reads_is_detected() {
    must_break(&["P1, P2, P6"], None, Some(Lie::NoPartial));
}

#[test]
fn a_refresher_that_does_not_distinguish_indices_is_detected() {
    must_break(&["P1, P2, P6", "in the end"], None, Some(Lie::NoIdentity));
}

#[test]
fn a_refresher_that_mixes_nodes_in_one_poll_is_detected() {
    // Only about one schedule in 3,000 detects a refresher that reads from several nodes in one
    // poll.
    must_break_in(&[3_100], "P3", Safeguard::OneNode);
}

#[test]
fn a_refresher_that_mixes_pages_of_several_views_is_detected() {
    must_break(&["P1, P2, P6"], Some(Safeguard::OneView), None);
}

#[test]
fn a_refresher_that_does_not_wait_for_convergence_is_detected() {
    must_break(&["P13"], Some(Safeguard::Convergence), None);
}

#[test]
fn a_refresher_that_does_not_let_the_primary_confirm_its_convergence_is_detected() {
    must_break(&["P13"], Some(Safeguard::ConfirmConvergence), None);
}

#[test]
fn a_refresher_that_forgets_that_another_primary_took_over_is_detected() {
    let promises = ["P1, P2, P6", "P3", "P13"];
    must_break(&promises, Some(Safeguard::Overtaken), None);
}

#[test]
fn a_refresher_that_treats_hidden_documents_as_deleted_is_detected() {
    must_break(&["P1, P2, P6"], Some(Safeguard::HiddenDocuments), None);
}

#[test]
fn a_reconcile_that_skips_a_level_is_detected() {
    must_break(
        &["P1, P2, P6", "P13"],
        Some(Safeguard::ReconcileLevels),
        None,
    );
}

#[test]
fn a_reconcile_that_mixes_two_views_is_detected() {
    must_break(
        &["P1, P2, P6", "in the end"],
        Some(Safeguard::ReconcileView),
        None,
    );
}

#[test]
fn a_refresher_that_does_not_resolve_the_name_again_is_detected() {
    must_break(&["P1, P2, P6"], Some(Safeguard::SameIndex), None);
}
