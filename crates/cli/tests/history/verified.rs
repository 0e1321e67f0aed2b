//! Compares the output of `history verify`, once for each of its exit codes and once with an audit
//! log, with the file `golden/verify.txt`.

use std::path::Path;

use opensearch_directives::{Clock as _, SystemClock};

use super::audit_log::append_events;
use super::recorded_index::Recorded;
use crate::support::golden_file::{self, Redaction};
use crate::support::http;

/// The command lines that a test has run so far, with their redacted output.
struct Session<'a> {
    recorded: &'a Recorded,
    redaction: Redaction,
    found: String,
}

impl Session<'_> {
    /// Runs a command line, in which `@` stands for `instant` and `LOG` stands for the name of the
    /// audit log.
    #[track_caller]
    fn run(&mut self, line: &str, instant: &str, code: i32) {
        let log = format!("{}-log", self.recorded.index);
        let words: Vec<String> = line
            .split_whitespace()
            .map(|word| match word {
                "@" => instant.to_owned(),
                "LOG" => log.clone(),
                word => word.to_owned(),
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = self.recorded.history(&words);
        let redact = |text: &str| {
            let text = self.redaction.apply(text);
            text.replace(self.recorded.uuid(), "UUID")
        };
        let shown = golden_file::session(&format!("history {line}"), &ran, redact);
        assert_eq!(ran.code, code, "{shown}");
        self.found += &shown;
    }

    fn say(&mut self, remark: &str) {
        self.found += &format!("# {remark}\n");
    }
}

#[tokio::test]
async fn the_golden_output_of_verify_for_each_exit_code() {
    let recorded = Recorded::new("golden-verify", true).await;
    let mut session = Session {
        redaction: Redaction::new(&recorded.url, &recorded.index, Path::new("/nowhere")),
        recorded: &recorded,
        found: String::new(),
    };
    let operations = [
        recorded.write("a", "acme").await,
        recorded.write("b", "globex").await,
        recorded.write("a", "acme").await,
    ];
    let records: Vec<_> = operations.iter().map(|one| recorded.record(one)).collect();
    recorded.append(&records).await;
    let instant = SystemClock.now().to_string();
    let deletion = recorded.delete("a").await;
    let deletion = recorded.record(&deletion);
    recorded.append(std::slice::from_ref(&deletion)).await;
    session.say("Every operation is recorded.");
    session.run("verify --wait 1ms", "", 0);
    session.run("verify --wait 1ms -o json", "", 0);

    session.say("The audit log names mallory for number 2, and eve for the deletion.");
    let users = [
        (&records[0], "alice"),
        (&records[2], "mallory"),
        (&deletion, "eve"),
    ];
    append_events(&recorded, &users.map(|((_, record), user)| (record, user))).await;
    session.run("verify --wait 1ms --audit-log LOG", "", 0);
    session.run("a --audit-log LOG", "", 0);
    session.run("--by mallory --audit-log LOG -o csv", "", 0);
    session.run("--at @ --audit-log LOG", &instant, 0);
    session.run("--at @ --audit-log LOG --tenant acme -o json", &instant, 0);

    session.say("Nobody records a write and a deletion.");
    recorded.write("c", "acme").await;
    recorded.delete("b").await;
    session.run("verify --wait 1ms", "", 9);
    session.run("--at @ --tenant globex", &instant, 0);

    session.say("Somebody appends another record of number 0.");
    let (id, mut forged) = records[0].clone();
    forged["directive"] = "b".into();
    recorded.append(&[(format!("{id}.forged"), forged)]).await;
    session.run("verify --wait 1ms", "", 10);

    session.say("Somebody deletes the history.");
    let stream = format!("{}/_data_stream/{}-history", recorded.url, recorded.index);
    assert_eq!(http::send("DELETE", &stream, None).await.0, 200);
    session.run("verify", "", 11);
    golden_file::check(&golden_file::difference("verify", &session.found));
}
