//! Tests `directives history` on complete histories, on histories with gaps, and on manipulated
//! histories, whose records the tests write themselves.

use serde_json::json;

use super::recorded_index::Recorded;
use crate::support::command::{Ran, run};
use crate::support::http;
use crate::support::node::{installed_index, shared_url};

fn last_line(ran: &Ran) -> &str {
    ran.stdout.lines().last().unwrap_or_default()
}

#[tokio::test]
async fn p14_a_history_is_complete_until_an_operation_is_not_recorded() {
    let recorded = Recorded::new("complete", true).await;
    let operations = [
        recorded.write("a", "acme").await,
        recorded.write("b", "globex").await,
        recorded.write("a", "acme").await,
        recorded.delete("b").await,
    ];
    recorded.append_all(&operations.each_ref()).await;
    let complete = recorded.verify();
    assert_eq!(complete.code, 0, "{}{}", complete.stdout, complete.stderr);
    let statement = last_line(&complete);
    assert!(statement.contains("every operation on"), "{statement}");
    assert!(statement.contains("4 operations"), "{statement}");

    // The test writes a new version of the directive `a` and then deletes `a`, but adds no records
    // of these two operations to the history.
    recorded.write("a", "acme").await;
    recorded.delete("a").await;
    let gap = recorded.verify();
    assert_eq!(gap.code, 9, "{}{}", gap.stdout, gap.stderr);
    for text in [
        "gap: numbers 4 to 5, after",
        "can concern a, whose document no longer exists although no deletion is recorded",
        "2 assigned numbers have no record",
    ] {
        assert!(gap.stdout.contains(text), "{text}: {}", gap.stdout);
    }
    let at = recorded.history(&["--at", "1ms", "-o", "json"]);
    assert_eq!(at.code, 9, "{}", at.stderr);
    assert_eq!(at.json()["is_certain"], false, "{}", at.stdout);

    // The versions of the records before and after the gap differ by three, so both missing
    // operations must concern the directive `a`.
    let later = recorded.write("a", "acme").await;
    recorded.append_all(&[&later]).await;
    let json = recorded.history(&["verify", "--wait", "1ms", "-o", "json"]);
    assert_eq!(json.code, 9);
    let gap = &json.json()["indices"][0]["gaps"][0];
    assert_eq!(
        (&gap["first"], &gap["last"]),
        (&json!(4), &json!(5)),
        "{gap}"
    );
    let evidence = json!([{"evidence": "versions", "directive": "a", "operations": 2, "with_deletion": false}]);
    assert_eq!(gap["evidence"], evidence);
}

#[tokio::test]
async fn a_history_that_somebody_tampered_with_is_not_intact() {
    let recorded = Recorded::new("forged", true).await;
    let operation = recorded.write("a", "acme").await;
    recorded.append_all(&[&operation]).await;
    assert_eq!(recorded.verify().code, 0);
    // The test adds a second record with the same `_seq_no` as an existing record, but with another
    // directive.
    let (id, mut record) = recorded.record(&operation);
    record["directive"] = "b".into();
    recorded.append(&[(format!("{id}.forged"), record)]).await;
    let forged = recorded.verify();
    assert_eq!(forged.code, 10, "{}", forged.stdout);
    assert!(
        forged.stdout.contains("records disagree about number 0"),
        "{}",
        forged.stdout
    );
    assert!(
        last_line(&forged).contains("records disagree about 1 number"),
        "{}",
        forged.stdout
    );

    let recorded = Recorded::new("editable", false).await;
    let operation = recorded.write("a", "acme").await;
    recorded.append_all(&[&operation]).await;
    let editable = recorded.verify();
    assert_eq!(editable.code, 10, "{}", editable.stdout);
    assert!(
        editable.stdout.contains("permits edits and deletions"),
        "{}",
        editable.stdout
    );
    let deletion = format!(
        "{}/.ds-{}-history-000001/_doc/",
        recorded.url, recorded.index
    );
    let (id, _) = recorded.record(&operation);
    let (status, response) =
        http::send("DELETE", &format!("{deletion}{id}?refresh=true"), None).await;
    assert_eq!(status, 200, "{response}");
    let deleted = recorded.verify();
    assert_eq!(deleted.code, 10, "{}", deleted.stdout);
    assert!(
        deleted.stdout.contains("has 0 records after 2 operations"),
        "{}",
        deleted.stdout
    );
}

/// A record that cannot be decoded must not hide other records, because every recorder may append
/// such a record and nobody can delete it.
#[tokio::test]
async fn a_record_that_cannot_be_decoded_is_reported_and_hides_no_other_record() {
    let recorded = Recorded::new("unreadable", true).await;
    let operation = recorded.write("a", "acme").await;
    recorded.append_all(&[&operation]).await;
    let (_, mut wrong) = recorded.record(&operation);
    wrong["kind"] = "\u{9b}2J".into();
    wrong["reason"] = "=HYPERLINK(\"http://attacker.example\")".into();
    recorded.append(&[("wrong".to_owned(), wrong)]).await;
    let empty = json!({ "@timestamp": "2030-01-01T00:00:00Z" });
    recorded.append(&[("empty".to_owned(), empty)]).await;

    for args in [&["-o", "json"][..], &["--at", "1ms", "-o", "json"]] {
        let ran = recorded.history(args).ok();
        let json = ran.json();
        let found = json.get("directives").unwrap_or(&json);
        assert_eq!(found.as_array().unwrap().len(), 1, "{json:#}");
        for text in [
            "the record wrong of",
            "is not readable: unknown variant `\\u{9b}2J`",
            "the record empty of",
        ] {
            assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
        }
    }
    let verified = recorded.verify();
    assert_eq!(verified.code, 10, "{}{}", verified.stdout, verified.stderr);
    for text in [
        "  unreadable: the record wrong: ",
        "  unreadable: the record empty: ",
        "1 operation is recorded; number 0 was assigned",
    ] {
        assert!(
            verified.stdout.contains(text),
            "{text}: {}",
            verified.stdout
        );
    }
    for text in [
        "every operation on",
        "is recorded (1 operation)",
        "2 records cannot be read",
    ] {
        assert!(
            last_line(&verified).contains(text),
            "{text}: {}",
            verified.stdout
        );
    }
}

#[tokio::test]
async fn a_rollover_repeats_no_record_and_hides_none() {
    let recorded = Recorded::new("rollover", true).await;
    let operations = [
        recorded.write("a", "acme").await,
        recorded.write("b", "globex").await,
    ];
    recorded.append_all(&operations.each_ref()).await;
    let rollover = format!("{}/{}-history/_rollover", recorded.url, recorded.index);
    let (status, response) = http::send("POST", &rollover, None).await;
    assert_eq!(status, 200, "{response}");
    // After a rollover of the data stream, OpenSearch accepts a second record with the same id.
    let later = recorded.write("a", "acme").await;
    recorded
        .append_all(&[&operations[0], &operations[1], &later])
        .await;
    let verified = recorded.verify();
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    assert!(
        verified.stdout.contains("5 records in 2 backing indices"),
        "{}",
        verified.stdout
    );
    assert!(
        last_line(&verified).contains("3 operations"),
        "{}",
        verified.stdout
    );
    let listed = recorded.history(&["-o", "json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 3, "{listed:#}");
}

#[tokio::test]
async fn records_of_several_pages_are_read_whatever_they_have_in_common() {
    let recorded = Recorded::new("pages", true).await;
    let operation = recorded.write("a", "acme").await;
    let (_, record) = recorded.record(&operation);
    // All records of this test have the same time, so that the command cannot order them by time.
    // Every second record of this test is the record of a deletion without a `_seq_no`.
    let records = (0..2_500).map(|number| {
        let mut record = record.clone();
        record["directive"] = format!("d{}", number / 2).into();
        record["seq_no"] = number.into();
        if number % 2 == 1 {
            record["kind"] = "deleted".into();
            let fields = record.as_object_mut().unwrap();
            for name in ["seq_no", "primary_term", "version", "document"] {
                fields.remove(name);
            }
        }
        (format!("page-{number}"), record)
    });
    recorded.append(&records.collect::<Vec<_>>()).await;
    let listed = recorded.history(&["-o", "json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 2_500);
    let csv = recorded.history(&["-o", "csv", "--kind", "deleted"]).ok();
    assert_eq!(csv.stdout.lines().count(), 1_251);
}

#[tokio::test]
async fn operations_are_selected_by_author_ticket_kind_tenant_and_time() {
    let recorded = Recorded::new("filters", true).await;
    let operations = [
        recorded.write("a", "globex").await,
        recorded.write("a", "acme").await,
        recorded.write("a", "globex").await,
        recorded.write("b", "globex").await,
        recorded.delete("b").await,
    ];
    let mut records: Vec<_> = operations.iter().map(|one| recorded.record(one)).collect();
    records[3].1["by"] = "bob".into();
    records[3].1["ticket"] = "INC-2".into();
    records[4].1["by"] = "unknown".into();
    records[4].1["authenticated_by"] = "bob".into();
    recorded.append(&records).await;
    for (args, numbers) in [
        (&["a"][..], &[0, 1, 2][..]),
        (&["--by", "bob"], &[3, 4]),
        (&["--ticket", "INC-2"], &[3]),
        (&["--kind", "created,deleted"], &[0, 3, 4]),
        // `history --tenant acme` must also show an operation that changes the target from `acme`
        // to another tenant.
        (&["--tenant", "acme"], &[1, 2]),
        (&["--tenant", "globex", "--by", "bob"], &[3, 4]),
        (&["--since", "1h"], &[0, 1, 2, 3, 4]),
        (&["--until", "1h"], &[]),
        (&["--tenant", "acme", "--until", "1h"], &[]),
    ] {
        let found = recorded
            .history(&[args, &["-o", "json"]].concat())
            .ok()
            .json();
        let found: Vec<u64> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["seq_no"].as_u64().unwrap())
            .collect();
        assert_eq!(found, numbers, "{args:?}");
    }
    assert_eq!(recorded.history(&["a", "nosuch"]).code, 3);
}

#[tokio::test]
async fn a_missing_history_and_wrong_flags_are_refused() {
    let url = shared_url();
    let index = installed_index(&url, "unrecorded").await;
    for args in [
        &["history"][..],
        &["history", "a"],
        &["history", "--at", "1h"],
        &["history", "verify"],
    ] {
        let ran = run(&url, &index, args);
        assert_eq!(ran.code, 11, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("init --history"), "{}", ran.stderr);
    }
    for (args, says) in [
        (
            &["history", "--at", "2999-01-01T00:00Z"][..],
            "in the future",
        ),
        (&["history", "--kind", "changed"], "not a kind of operation"),
        (&["history", "--since", "yesterday"], "counts back from now"),
        (&["history", "--index", "orders"], "--at"),
        (
            &["history", "--at", "1h", "--by", "alice"],
            "cannot be used with",
        ),
    ] {
        let ran = run(&url, &index, args);
        assert_eq!(ran.code, 2, "{args:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(says), "{says}: {}", ran.stderr);
    }
    let ran = run("http://127.0.0.1:1", &index, &["history", "verify"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
}

#[tokio::test]
async fn a_filter_before_verify_is_refused() {
    let (url, index) = (shared_url(), "any");
    for filter in [
        "--since=7d",
        "--by=alice",
        "--tenant=acme",
        "--at=1h",
        "--kind=deleted",
    ] {
        let ran = run(&url, index, &["history", filter, "verify"]);
        assert_eq!(ran.code, 2, "{filter}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("takes no filter"),
            "{filter}: {}",
            ran.stderr
        );
    }
}
