//! Tests that each `_seq_no` of an index has a record in the history or lies in a gap that `history
//! verify` reports. Eight writers change the index with the command and with direct requests, while
//! recorders record the operations and the test deletes and re-creates the index.

mod writer;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{records, with_history};
use crate::support::agent::Agent;
use crate::support::command::run;
use crate::support::eventually::eventually;
use crate::support::http;
use crate::support::node::{Node, shared_url};
use writer::Writer;

const WRITERS: usize = 8;

/// An index with a history, and the numbers of writes that the test expects in the history.
struct Ledger {
    url: String,
    index: String,
    commands: AtomicUsize,
    /// The number of writes whose records the test has already found in the history.
    observed: usize,
}

impl Ledger {
    async fn write(&self, operations: usize, round: u64, node_fails: bool) {
        let writers = (0..WRITERS).map(|number| {
            let mut writer = Writer {
                url: &self.url,
                index: &self.index,
                number,
                random: fastrand::Rng::with_seed(round * 100 + number as u64),
                commands: &self.commands,
                node_fails,
            };
            async move { writer.write(operations.div_ceil(WRITERS)).await }
        });
        futures_util::future::join_all(writers).await;
    }

    /// Writes a document with direct requests, and waits after each write until the history
    /// contains the record of this write.
    async fn write_observed(&mut self, writes: usize) {
        for _ in 0..writes {
            self.observed += 1;
            let document = json!({
                "level": "Shape", "tenant": format!("o{}", self.observed), "ttl_secs": 600,
            });
            let path = format!("{}/{}/_doc/observed?refresh=true", self.url, self.index);
            http::put(&path, &document).await;
            let count = self.observed;
            eventually(
                "the write is recorded",
                async || self.records_of("observed").await,
                |records| records.len() == count,
            )
            .await;
        }
    }

    async fn records_of(&self, directive: &str) -> Vec<Value> {
        let all = records(&self.url, &self.index).await.into_iter();
        all.map(|(_, record)| record)
            .filter(|record| record["directive"] == directive)
            .collect()
    }

    /// Returns the uuid of the index and the highest `_seq_no` that the index has assigned.
    async fn highest(&self) -> (String, u64) {
        let path = format!("{}/{}/_stats/docs?level=shards", self.url, self.index);
        let (_, stats) = http::get(&path).await;
        let index = &stats["indices"][&self.index];
        let number = index["shards"]["0"][0]["seq_no"]["max_seq_no"].as_u64();
        (index["uuid"].as_str().unwrap().to_owned(), number.unwrap())
    }

    async fn recreate(&self) {
        let path = format!("{}/{}", self.url, self.index);
        assert_eq!(http::send("DELETE", &path, None).await.0, 200);
        run(&self.url, &self.index, &["init"]).ok();
    }

    /// Checks that each `_seq_no` has a record or lies in a gap that `history verify` reports. A
    /// `_seq_no` may lack both only if it belongs to a deletion that a recorder noticed afterwards,
    /// because the record of such a deletion contains no `_seq_no`. No operation that a recorder
    /// has observed may lie in a gap. If `is_exact` is set, no successful write by the command may
    /// lie in a gap.
    async fn check(&self, assigned: &[(String, u64)], is_exact: bool) {
        let verified = run(
            &self.url,
            &self.index,
            &["history", "verify", "--wait", "20s", "-o", "json"],
        );
        assert!(matches!(verified.code, 0 | 9), "{}", verified.stderr);
        let verified = verified.json();
        let all = records(&self.url, &self.index).await;
        let (mut numbers, mut missing) = (0, 0);
        for (uuid, highest) in assigned {
            let ledgers = verified["indices"].as_array().unwrap();
            let ledger = ledgers
                .iter()
                .find(|ledger| ledger["uuid"] == *uuid)
                .unwrap();
            let of_index = all
                .iter()
                .filter(|(_, record)| record["index_uuid"] == *uuid);
            let recorded: BTreeSet<u64> = of_index
                .filter_map(|(_, record)| record["seq_no"].as_u64())
                .collect();
            let gaps = ledger["gaps"].as_array().unwrap();
            let is_in_gap = |number: u64| {
                gaps.iter().any(|gap| {
                    let last = gap["last"].as_u64();
                    gap["first"].as_u64() <= Some(number) && last.is_none_or(|last| number <= last)
                })
            };
            let unaccounted = (0..=*highest)
                .filter(|number| !recorded.contains(number) && !is_in_gap(*number))
                .count() as u64;
            assert_eq!(unaccounted, ledger["deletions_by_absence"], "{ledger:#}");
            let both = recorded.iter().filter(|number| is_in_gap(**number)).count();
            assert_eq!(both, 0, "{ledger:#}");
            numbers += highest + 1;
            missing += (0..=*highest).filter(|number| is_in_gap(*number)).count();
        }
        println!(
            "{numbers} numbers, {missing} of them in gaps, {} records",
            all.len()
        );
        let of_command = all.iter().filter(|(_, record)| {
            let id = record["directive"].as_str().unwrap();
            id.starts_with("cmd-") && record["seq_no"].is_u64()
        });
        let (of_command, commands) = (of_command.count(), self.commands.load(Ordering::Relaxed));
        // The history may contain more records than there were successful commands, because a
        // recorder may have recorded the write of a command that failed afterwards.
        assert!(of_command >= commands, "{of_command} of {commands}");
        assert!(
            !is_exact || of_command == commands,
            "{of_command} of {commands}"
        );
        assert_eq!(self.records_of("observed").await.len(), self.observed);
        let gaps = verified["indices"].as_array().unwrap().iter();
        let evidence = gaps.flat_map(|ledger| ledger["gaps"].as_array().unwrap());
        for one in evidence.flat_map(|gap| gap["evidence"].as_array().unwrap()) {
            let directive = one["directive"].as_str().unwrap();
            assert!(directive != "observed", "{one}");
            assert!(!is_exact || !directive.starts_with("cmd-"), "{one}");
        }
    }
}

#[tokio::test]
async fn p14_every_number_of_eight_writers_is_recorded_or_in_a_reported_gap() {
    let url = shared_url();
    let index = with_history(&url, "writers");
    let mut ledger = Ledger {
        url: url.clone(),
        index: index.clone(),
        commands: AtomicUsize::new(0),
        observed: 0,
    };
    let agent = Agent::recorder(&url, &index);
    ledger.write_observed(2).await;
    ledger.write(64, 1, false).await;
    // The test kills the recorder and writes while no recorder runs, before the test starts another
    // recorder.
    drop(agent);
    ledger.write(32, 2, false).await;
    let _agent = Agent::recorder(&url, &index);
    ledger.write_observed(2).await;
    let former = ledger.highest().await;
    ledger.recreate().await;
    ledger.write(32, 3, false).await;
    ledger.write_observed(2).await;
    let current = ledger.highest().await;
    ledger.check(&[former, current], true).await;
}

/// Each `_seq_no` must have a record or lie in a gap even if the test kills and restarts the node
/// during the writes. The variable `HISTORY_OPERATIONS` sets the number of writes, 5,000 by
/// default.
#[tokio::test]
#[ignore = "it takes many minutes; scripts/test-ledger runs it"]
async fn p14_every_number_is_accounted_for_although_the_node_and_the_recorders_are_killed() {
    let operations = std::env::var("HISTORY_OPERATIONS").ok();
    let operations: usize = operations.map_or(5_000, |number| number.parse().unwrap());
    let mut node = Node::start();
    let url = node.url();
    let index = with_history(&url, "writers");
    let mut ledger = Ledger {
        url: url.clone(),
        index: index.clone(),
        commands: AtomicUsize::new(0),
        observed: 0,
    };
    let agent = Agent::recorder(&url, &index);
    ledger.write(operations / 4, 1, false).await;
    drop(agent);
    let agent = Agent::recorder(&url, &index);
    ledger.write_observed(5).await;
    let former = ledger.highest().await;
    ledger.recreate().await;
    ledger.write(operations / 4, 2, false).await;
    // The test kills and restarts the node while the eight writers continue.
    let restart = std::thread::spawn(move || {
        node.restart();
        node
    });
    ledger.write(operations / 4, 3, true).await;
    let node = restart.join().unwrap();
    let health = format!("{url}/_cluster/health/{index}?wait_for_status=yellow&timeout=1s");
    eventually(
        "the node responds",
        async || {
            reqwest::get(&health)
                .await
                .map(|response| response.status())
        },
        |status| status.as_ref().is_ok_and(reqwest::StatusCode::is_success),
    )
    .await
    .unwrap();
    drop(agent);
    let _agent = Agent::recorder(&url, &index);
    ledger.write(operations / 4, 4, false).await;
    ledger.write_observed(5).await;
    let current = ledger.highest().await;
    ledger.check(&[former, current], false).await;
    drop(node);
}
