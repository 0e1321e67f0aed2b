//! Tests `history --at` after a sequence of changes by four operators, with deletions, an expiry
//! and an index that is re-created. For each past instant, `history --at` must report the decision
//! that `explain` returned at that instant.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use opensearch_directives::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::with_history;
use crate::support::command::{Ran, run, words};
use crate::support::eventually::blocking_until;
use crate::support::golden_file::{self, Redaction};
use crate::support::http;
use crate::support::node::shared_url;

const REQUEST: [&str; 8] = [
    "--tenant",
    "acme",
    "--index",
    "orders",
    "--principal",
    "checkout",
    "--endpoint",
    "Search",
];

/// The decision that `explain` returned for the test's request at the instant `instant`.
#[derive(Debug)]
struct Truth {
    after: String,
    instant: Timestamp,
    decision: Value,
    directives: Vec<String>,
}

/// The index of the test, with the decisions that `explain` returned after each change of the
/// index.
struct Month {
    url: String,
    index: String,
    truths: Vec<Truth>,
}

impl Month {
    fn run(&self, line: &str) -> Ran {
        run(&self.url, &self.index, &words(line))
    }

    /// Runs a command line as the operator `author`, then runs `explain` and stores its decision.
    fn play(&mut self, author: &str, line: &str) -> &mut Self {
        self.run(&format!("{line} --author {author}")).ok();
        self.note(line);
        self
    }

    fn explain(&self) -> Value {
        run(
            &self.url,
            &self.index,
            &[&["explain"], &REQUEST[..], &["-o", "json"]].concat(),
        )
        .ok()
        .json()
    }

    fn note(&mut self, after: &str) {
        let explained = self.explain();
        self.truths.push(Truth {
            after: after.to_owned(),
            instant: SystemClock.now(),
            decision: explained["decision"].clone(),
            directives: applying(&explained),
        });
    }

    fn at(&self, instant: Timestamp) -> Ran {
        let instant = instant.to_string();
        let at = ["history", "--at", &instant, "-o", "json"];
        run(&self.url, &self.index, &[&at[..], &REQUEST[..]].concat())
    }
}

fn applying(explained: &Value) -> Vec<String> {
    let all = explained["directives"].as_array().unwrap().iter();
    let applying = all.filter(|one| one["applies"] != false);
    let mut ids: Vec<String> = applying
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

async fn played() -> Month {
    let url = shared_url();
    let index = with_history(&url, "month");
    let mut month = Month {
        url,
        index,
        truths: Vec::new(),
    };
    month
        .play("alice", "apply slow-acme --level Shape --tenant acme --ttl 2h --ticket INC-1 --reason 'slow searches'")
        .play("bob", "apply capture-all --level ShapeRewriteDiff --everything --capture --ttl 15m --yes --ticket INC-2 --reason 'corrupt responses'")
        .play("alice", "extend slow-acme --by 1h")
        .play("carol", "apply other --level ShapeTiming --tenant globex --ttl 1h --reason 'slow as well'")
        .play("carol", "revoke capture-all --reason 'it records too much'")
        .play("bob", "edit slow-acme --set level=ShapeTiming --replace --yes")
        .play("dave", "delete slow-acme --yes")
        .play("bob", "apply capture-all --level Shape --tenant acme --ttl 1h --reactivate --replace --yes --reason 'the same, for acme only'");
    // The operator dave deletes the index, and installs it again with `directives init`.
    let path = format!("{}/{}", month.url, month.index);
    assert_eq!(http::send("DELETE", &path, None).await.0, 200);
    month.run("init").ok();
    month.note("init");
    month.play("dave", "apply slow-acme --level Shape --tenant acme --index orders --ttl 10s --reason 'a last look'");
    blocking_until("the last directive expires", || {
        applying(&month.explain()).is_empty()
    });
    month.note("slow-acme expired");
    month
}

#[tokio::test]
async fn the_golden_history_of_a_month_is_the_truth_of_each_instant() {
    let month = played().await;
    for truth in &month.truths {
        let ran = month.at(truth.instant);
        let found = ran.json();
        assert_eq!(
            found["decision"], truth.decision,
            "{truth:?}: {}",
            ran.stdout
        );
        assert_eq!(
            applying(&found),
            truth.directives,
            "{truth:?}: {}",
            ran.stdout
        );
        // `history --at` must report uncertainty only for the last change before the deletion of
        // the index, because no record shows when the index was deleted.
        let is_end = truth.after.starts_with("apply capture-all --level Shape ");
        assert_eq!(
            ran.code,
            if is_end { 9 } else { 0 },
            "{truth:?}: {}",
            ran.stdout
        );
    }
    let row = |truth: usize, id: &str| {
        let found = month.at(month.truths[truth].instant).json();
        let mut rows = found["directives"].as_array().unwrap().iter();
        rows.find(|row| row["id"] == id).unwrap().clone()
    };
    for (truth, id, expected) in [
        // The history must report that dave's deletion ended alice's directive `slow-acme`, because
        // the directive still applied to the request after bob's change.
        (
            0,
            "slow-acme",
            json!({"by": "alice", "kind": "created", "ticket": "INC-1", "ended": "deleted", "ended_by": "dave"}),
        ),
        (
            2,
            "slow-acme",
            json!({"by": "alice", "kind": "extended", "ended": "deleted"}),
        ),
        (
            3,
            "capture-all",
            json!({"by": "bob", "reason": "corrupt responses", "ended": "revoked", "ended_by": "carol", "ended_reason": "it records too much"}),
        ),
        (
            7,
            "capture-all",
            json!({"by": "bob", "kind": "reactivated", "ended": "index replaced"}),
        ),
        (
            9,
            "slow-acme",
            json!({"by": "dave", "kind": "created", "ended": "expired"}),
        ),
    ] {
        let row = row(truth, id);
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&row[field], value, "{truth} {id} {field}: {row:#}");
        }
    }
    check_golden(&month);
    check_write_past_the_command(&month).await;
}

/// Writes a directive with a direct request, which has no record in the history. Checks that
/// `history --at` then reports uncertainty only for instants at which the direct write can have
/// happened.
async fn check_write_past_the_command(month: &Month) {
    let before = SystemClock.now();
    let path = format!("{}/{}/_doc/eve?refresh=true", month.url, month.index);
    let draft = json!({"level": "ShapeRewriteDiff", "ttl_secs": 600, "updated_by": "alice"});
    assert_eq!(http::put(&path, &draft).await.0, 201);
    let verified = month.run("history verify --wait 1ms");
    assert_eq!(verified.code, 9, "{}", verified.stdout);
    let concerns = "can concern eve, whose present document has number 1";
    assert!(verified.stdout.contains(concerns), "{}", verified.stdout);
    let now = month.at(SystemClock.now());
    assert_eq!((now.code, &now.json()["is_certain"]), (9, &json!(false)));
    // `history --at` must report no uncertainty for instants before the operation with the
    // preceding `_seq_no`, because the direct write cannot have happened before this operation.
    let first = month.truths[0].instant;
    assert_eq!(month.at(first).code, 0);
    assert!(before > first);
}

/// The command lines whose output the golden file contains, in which `@2` stands for the instant
/// after the third change.
const LINES: [&str; 15] = [
    "history",
    "history slow-acme",
    "history --by bob --kind reactivated,widened",
    "history --tenant globex",
    "history capture-all -o json --kind revoked",
    "history other -o csv",
    "history nosuch",
    "history --at @3 --tenant acme --index orders --principal checkout --endpoint Search",
    "history --at @3 --tenant acme",
    "history --at @5 -o csv",
    "history --at @6",
    "history --at @7 --tenant acme -o json",
    "history verify",
    "history verify -o csv",
    "history verify -o json",
];

/// Returns the uuids and recorder names that differ between two runs of the test, each with its
/// placeholder in the golden file.
fn names(month: &Month) -> BTreeSet<(String, &'static str)> {
    let records = month.run("history -o json").ok().json();
    let fields = [
        ("index_uuid", "UUID"),
        ("history_uuid", "UUID"),
        ("recorded_by", "RECORDER"),
    ];
    let of = |record: &Value| {
        fields.map(|(field, placeholder)| (record[field].as_str().unwrap().to_owned(), placeholder))
    };
    records.as_array().unwrap().iter().flat_map(of).collect()
}

fn check_golden(month: &Month) {
    let redaction = Redaction::new(&month.url, &month.index, Path::new("/nowhere"));
    let placeholders = names(month);
    let redact = |text: &str| {
        let redacted = redaction.apply(text);
        placeholders
            .iter()
            .fold(redacted, |text, (name, placeholder)| {
                text.replace(name, placeholder)
            })
    };
    let mut found = String::new();
    for line in LINES {
        let mut actual = line.to_owned();
        for (number, truth) in month.truths.iter().enumerate() {
            actual = actual.replace(&format!("@{number}"), &truth.instant.to_string());
        }
        found += &golden_file::session(line, &month.run(&actual), redact);
    }
    golden_file::check(&golden_file::difference("history", &found));
}
