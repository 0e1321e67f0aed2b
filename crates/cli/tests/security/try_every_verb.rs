//! Tries every verb and some direct requests as a given user, and reports which operations the
//! cluster permits to this user.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use crate::secured_cluster::{admin, admin_runs, apply, applying, run, send_as};
use crate::support::command::{Ran, directives};
use crate::{try_processes, try_requests};

/// The index that the files of the roles in `mappings/roles` name.
pub(crate) const INDEX: &str = "directives";
const HISTORY: &str = "directives-history";
const FLEET: &str = "directives-fleet";
const FLEET_HISTORY: &str = "directives-fleet-history";
/// The operations that a test tries under each role, named as in the table of `mappings/README.md`.
pub(crate) const CHECKS: [&str; 36] = [
    "`init --dry-run`",
    "`init`",
    "`init --history`",
    "`init --roles`",
    "`list`",
    "`list` of more than 10,000",
    "`get`",
    "`explain`",
    "`diff`",
    "`validate --with-cluster`",
    "`apply`",
    "`apply` over an older one",
    "`extend`",
    "`edit`",
    "`revoke`",
    "`sign`",
    "`verify`",
    "`delete`",
    "delete by `_bulk`",
    "`prune`",
    "`agent`",
    "`agent --record-history`",
    "`record`",
    "`status`",
    "`wait`",
    "`hits --fleet`",
    "report to the fleet",
    "`doctor`",
    "`history`",
    "`history --at`",
    "`history verify`",
    "read the history",
    "write the history",
    "edit or delete the history",
    "the requests of `history`",
    "the requests of Dashboards",
];

/// Each check that runs a verb which changes nothing, with the arguments of the verb.
const READS: [(&str, &[&str]); 11] = [
    ("`init --dry-run`", &["init", "--fleet", "--dry-run"]),
    ("`list`", &["list"]),
    ("`get`", &["get", "kept"]),
    (
        "`explain`",
        &[
            "explain",
            "--index",
            "orders",
            "--principal",
            "checkout",
            "--endpoint",
            "Search",
        ],
    ),
    ("`status`", &["status"]),
    ("`wait`", &["wait", "--converged", "--timeout", "1s"]),
    ("`hits --fleet`", &["hits", "--fleet"]),
    ("`doctor`", &["doctor"]),
    ("`history`", &["history"]),
    ("`history --at`", &["history", "--at", "1s"]),
    ("`history verify`", &["history", "verify", "--wait", "1s"]),
];

/// Installs the index, its history and its fleet, and creates the directives and the record that
/// the checks need.
pub(crate) async fn prepare() {
    admin_runs(INDEX, &["init", "--history", "--fleet"]).ok();
    for id in ["kept", "ended"] {
        apply(INDEX, id, &[]);
    }
    let entry = json!({ "@timestamp": "2030-01-01T00:00:00Z" });
    let path = format!("/{HISTORY}/_doc?op_type=create&refresh=true");
    admin("POST", &path, Some(&entry)).await;
}

/// Makes everything that `init` has installed outdated, so that the next `init` needs all its
/// permissions.
async fn outdate() {
    let path = format!("/_ingest/pipeline/{INDEX}");
    let mut pipeline = admin("GET", &path, None).await[INDEX].take();
    pipeline["version"] = 0.into();
    admin("PUT", &path, Some(&pipeline)).await;
    let _ = send_as_admin("DELETE", &format!("/_index_template/{INDEX}")).await;
    let _ = send_as_admin("DELETE", &format!("/{INDEX}")).await;
    let _ = send_as_admin("DELETE", &format!("/{FLEET}")).await;
    let _ = send_as_admin("DELETE", &format!("/_data_stream/{FLEET_HISTORY}")).await;
}

async fn send_as_admin(method: &str, path: &str) -> u16 {
    use test_support::secured_node::{ADMIN, ADMIN_PASSWORD};
    send_as((ADMIN, ADMIN_PASSWORD), method, path, None).await.0
}

/// Tries the operation `check` as a user. Returns `yes` if the user's role permits the operation,
/// `in part` if it permits a part, and `no` if it permits nothing.
pub(crate) async fn outcome(check: &str, user: &str) -> &'static str {
    if let Some((_, args)) = READS.iter().find(|(name, _)| *name == check) {
        return reads(check, user, args);
    }
    match check {
        "`init`" | "`init --history`" | "`init --roles`" => installs(check, user).await,
        "`list` of more than 10,000" => try_requests::point_in_time(user, INDEX).await,
        "`diff`" => reads_draft(check, user, &["diff", "-f"]),
        "`validate --with-cluster`" => reads_draft(
            check,
            user,
            &["validate", "--everything", "--with-cluster", "-f"],
        ),
        "`verify`" => {
            let folder = keys();
            let key = path_in(folder.path(), "signer.pub");
            let args = ["verify", "--trusted-keys", &key, "--signatures", "optional"];
            reads(check, user, &args)
        }
        "`agent`" => try_processes::polls(user, INDEX).await,
        "`agent --record-history`" => try_processes::agent_records(user, INDEX).await,
        "`record`" => try_processes::service_records(user, INDEX).await,
        "report to the fleet" => try_requests::reports(user, INDEX).await,
        "the requests of Dashboards" => try_requests::dashboards(user, INDEX).await,
        "read the history"
        | "write the history"
        | "edit or delete the history"
        | "the requests of `history`" => of_history(check, user).await,
        _ => writes(check, user).await,
    }
}

/// As a user, runs a verb that writes directives, and then restores the directives that the verb
/// changed.
async fn writes(check: &str, user: &str) -> &'static str {
    let tried = |args: &[&str]| written(check, &run(user, INDEX, args));
    let restored = |id: &str| apply(INDEX, id, &[]);
    match check {
        "`apply`" => {
            let outcome = tried(&applying("new"));
            let _ = send_as_admin("DELETE", &format!("/{INDEX}/_doc/new?refresh=true")).await;
            outcome
        }
        "`apply` over an older one" => tried(&applying("kept")),
        "`extend`" => tried(&["extend", "kept", "--by", "1s"]),
        "`edit`" => {
            // The test sets a new ticket in each run of `edit`, because an `edit` without a change
            // would write nothing.
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let ticket = format!("ticket=T-{}", NEXT.fetch_add(1, Ordering::Relaxed));
            let consents = ["--everything", "--replace", "--yes"];
            tried(&[&["edit", "kept", "--set", &ticket], &consents[..]].concat())
        }
        "`revoke`" => {
            let outcome = tried(&["revoke", "kept"]);
            restored("kept");
            outcome
        }
        "`sign`" => {
            // The test creates a new key for each run of `sign`, because `sign` writes nothing with
            // a key that has already signed the directive.
            let folder = keys();
            let key = path_in(folder.path(), "signer.key");
            let outcome = tried(&["sign", "kept", "--sign-with", &key, "--yes"]);
            restored("kept");
            outcome
        }
        "`delete`" => {
            let outcome = tried(&["delete", "ended"]);
            restored("ended");
            outcome
        }
        "delete by `_bulk`" => {
            let lines = "{\"delete\":{\"_id\":\"never\"}}\n";
            try_requests::bulk(user, INDEX, lines).await
        }
        "`prune`" => {
            // The administrator revokes the directive before the user runs `prune`, because `prune`
            // deletes only directives that have ended.
            admin_runs(INDEX, &["revoke", "ended"]).ok();
            let outcome = tried(&["prune", "--ended-before", "1ms", "--yes"]);
            restored("ended");
            outcome
        }
        _ => panic!("no such check: {check}"),
    }
}

/// Returns the outcome of a verb that writes. The outcome is `in part` if the verb warns that it
/// could not record its write in the history.
fn written(check: &str, ran: &Ran) -> &'static str {
    match ran.code {
        0 if ran.stderr.contains("history") => "in part",
        0 => "yes",
        5 => "no",
        code => panic!("{check}: {code} {}", ran.stderr),
    }
}

/// As a user, runs a verb that only reads, and returns whether the user's role permits the verb.
/// The exit codes 7 to 10 mean that the verb could read, and `doctor` ends with 1 if the user may
/// not read directives.
fn reads(check: &str, user: &str, args: &[&str]) -> &'static str {
    let ran = run(user, INDEX, args);
    match ran.code {
        0 if ran.stderr.contains("limits of the cluster are not known") => "in part",
        0 | 7..=10 => "yes",
        5 => "no",
        1 if check == "`doctor`" && ran.stdout.contains("may not") => "no",
        11 if ran.stderr.contains("403") => "no",
        code => panic!("{check} as {user}: {code} {} {}", ran.stdout, ran.stderr),
    }
}

/// As a user, runs a verb that reads a file with a draft. The function appends the path of the file
/// to the arguments `args`.
fn reads_draft(check: &str, user: &str, args: &[&str]) -> &'static str {
    let folder = tempfile::tempdir().unwrap();
    let file = path_in(folder.path(), "draft.json");
    let draft = json!({ "id": "kept", "level": "Shape", "ttl_secs": 60, "reason": "test" });
    std::fs::write(&file, draft.to_string()).unwrap();
    reads(check, user, &[args, &[&file]].concat())
}

fn path_in(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// Tries the operation `check` with direct requests to the data stream of the history.
async fn of_history(check: &str, user: &str) -> &'static str {
    match check {
        "read the history" => {
            let search = format!("/{HISTORY}/_search");
            try_requests::all(user, &[("POST", &search, "{}")]).await
        }
        "write the history" => {
            let lines = "{\"create\":{}}\n{\"@timestamp\":\"2030-01-01T00:00:00Z\"}\n";
            try_requests::bulk(user, HISTORY, lines).await
        }
        "edit or delete the history" => try_requests::deletes_records(user, HISTORY).await,
        _ => {
            let both = format!("/{INDEX},{HISTORY}");
            let paths = [
                format!("/_data_stream/{HISTORY}"),
                format!("{both}/_stats/docs?level=shards"),
                format!("{both}/_settings"),
            ];
            let requests = paths.each_ref().map(|path| ("GET", path.as_str(), "null"));
            try_requests::all(user, &requests).await
        }
    }
}

/// Creates the keys of a new signer with `directives keygen`, and returns the folder of the keys.
fn keys() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("signer");
    let made = directives().arg("keygen").arg(base).output().unwrap();
    assert!(made.status.success());
    folder
}

/// Runs `init` with the flags of the operation `check` on an outdated installation, and then
/// restores the installation.
async fn installs(check: &str, user: &str) -> &'static str {
    let outcome = match check {
        "`init`" => {
            outdate().await;
            installs_and_updates(user).await
        }
        "`init --history`" => {
            let _ = send_as_admin("DELETE", &format!("/_data_stream/{HISTORY}")).await;
            let _ = send_as_admin("DELETE", &format!("/_index_template/{HISTORY}")).await;
            installed(&run(user, INDEX, &["init", "--history"]))
        }
        _ => return reads(check, user, &["init", "--roles"]),
    };
    prepare().await;
    outcome
}

/// Runs `init` once on an outdated installation and once on an index with an incomplete mapping,
/// because `init` needs different permissions in these two cases.
async fn installs_and_updates(user: &str) -> &'static str {
    if installed(&run(user, INDEX, &["init", "--fleet"])) == "no" {
        return "no";
    }
    let settings = json!({ "index.refresh_interval": "7s" });
    admin("PUT", &format!("/{INDEX}/_settings"), Some(&settings)).await;
    let mapping = json!({ "dynamic": "false" });
    admin("PUT", &format!("/{INDEX}/_mapping"), Some(&mapping)).await;
    installed(&run(user, INDEX, &["init"]))
}

fn installed(ran: &Ran) -> &'static str {
    match ran.code {
        0 => "yes",
        5 => "no",
        code => panic!("init: {code} {}", ran.stderr),
    }
}
