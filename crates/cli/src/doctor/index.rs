//! Checks the index of directives: its shards and replicas, refresh interval, availability zones
//! and snapshots.

use jiff::SignedDuration;
use opensearch_directives::admin::{DirectivesApi, IndexState};
use opensearch_directives::{Clock as _, SystemClock};

use super::report::Checks;
use crate::duration::length;
use crate::error_text;
use crate::report_wording::{count, verb};

const NAME: &str = "index";
const SNAPSHOTS: &str = "snapshots";
/// `doctor` reports a warning if the newest snapshot of the index is older than this duration.
const OLD_SNAPSHOT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Checks the settings and shards of the index, and returns whether the index exists.
pub(super) async fn check(checks: &mut Checks, api: &DirectivesApi) -> bool {
    let state = match api.index_state().await {
        Ok(state) => state,
        Err(error) => {
            let fix = if error.is_index_not_found() {
                "directives init"
            } else {
                "map the user to the role directives_reader"
            };
            let exists = !error.is_index_not_found();
            checks.failure(NAME, error_text::text(&error), fix);
            return exists;
        }
    };
    check_settings(checks, &state);
    check_health(checks, api).await;
    check_zones(checks, api, &state).await;
    check_snapshots(checks, api, &state.name).await;
    true
}

fn check_settings(checks: &mut Checks, state: &IndexState) {
    match state.shards {
        Some(1) => checks.ok(NAME, "has one primary shard"),
        Some(shards) => checks.warning(
            NAME,
            format!("has {shards} primary shards, so each change costs a full read"),
            "create an index with one shard by `directives init` and copy the directives",
        ),
        None => {}
    }
    match state.refresh_interval.as_deref() {
        Some("-1") => checks.warning(
            NAME,
            "does not refresh by itself, so proxies notice changes late",
            "directives init",
        ),
        Some(interval) => checks.ok(NAME, format!("is refreshed every {interval}")),
        None => checks.warning(
            NAME,
            "has no refresh interval, so an idle shard stops refreshing",
            "directives init",
        ),
    }
}

async fn check_health(checks: &mut Checks, api: &DirectivesApi) {
    let health = match api.index_health().await {
        Ok(health) => health,
        Err(error) => {
            let fix = "let a user with the permission cluster:monitor/health check it";
            return checks.not_checked(NAME, &error, fix);
        }
    };
    let explain = "GET _cluster/allocation/explain";
    match health.status.as_str() {
        "green" => checks.ok(NAME, "all shards are assigned"),
        "red" => checks.failure(NAME, "the primary shard is not assigned", explain),
        _ => checks.warning(
            NAME,
            format!(
                "{} {} not assigned",
                count(health.unassigned_shards, "shard"),
                verb(health.unassigned_shards, "is", "are")
            ),
            explain,
        ),
    }
}

/// Compares the number of shard copies with the number of availability zones over which the cluster
/// distributes these copies.
async fn check_zones(checks: &mut Checks, api: &DirectivesApi, state: &IndexState) {
    let zones = match api.balanced_zones().await {
        Ok(Some(zones)) => zones,
        Ok(None) => return checks.ok("zones", "the cluster does not balance copies over zones"),
        Err(error) => {
            let fix = "let a user with the permission cluster:monitor/state check it";
            return checks.not_checked("zones", &error, fix);
        }
    };
    let copies = state.replicas.map(|replicas| replicas.saturating_add(1));
    match copies {
        Some(copies) if copies % zones == 0 && !state.expands_replicas => {
            checks.ok(
                "zones",
                format!(
                    "{copies} {} balanced over {}",
                    verb(copies, "copy is", "copies are"),
                    count(zones, "zone")
                ),
            );
        }
        _ => checks.warning(
            "zones",
            format!("the number of copies is not a fixed multiple of the {zones} zones"),
            format!("directives init --replicas {}", zones.saturating_sub(1)),
        ),
    }
}

async fn check_snapshots(checks: &mut Checks, api: &DirectivesApi, index: &str) {
    let policy = "add the index to a snapshot policy (PUT _plugins/_sm/policies/NAME)";
    let state = match api.snapshots_of(index).await {
        Ok(state) => state,
        Err(error) => {
            let fix = "let a user with the permission cluster:admin/snapshot/get check it";
            return checks.not_checked(SNAPSHOTS, &error, fix);
        }
    };
    let age = state
        .newest
        .map(|end| SystemClock.now().duration_since(end));
    match age {
        Some(age) if age <= OLD_SNAPSHOT => {
            checks.ok(SNAPSHOTS, format!("the newest is {} old", length(age)));
        }
        Some(age) => {
            checks.warning(
                SNAPSHOTS,
                format!("the newest is {} old", length(age)),
                policy,
            );
        }
        None if state.repositories.is_empty() => checks.warning(
            SNAPSHOTS,
            "there is no snapshot repository",
            "register a repository (PUT _snapshot/NAME), and add the index to a snapshot policy",
        ),
        None => checks.warning(SNAPSHOTS, "no snapshot contains the index", policy),
    }
}
