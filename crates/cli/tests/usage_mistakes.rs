//! Tests that the command responds to common mistakes on the command line with the expected message
//! and exit code, and that it writes no directive.

use serde::Deserialize;

use crate::support::command::{run, run_with};
use crate::support::node::{installed_index, shared_url};

#[derive(Debug, Deserialize)]
struct Mistake {
    arguments: String,
    #[serde(default)]
    input: String,
    code: i32,
    expected: Vec<String>,
}

#[tokio::test]
async fn each_mistake_is_explained_and_writes_nothing() {
    let url = shared_url();
    let index = installed_index(&url, "mistakes").await;
    let present = "apply present --level Shape --tenant acme --ticket INC-1 --ttl 1h";
    let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    run(&url, &index, &refs(&words(present))).ok();
    let before = run(&url, &index, &["list", "-o", "json"]).ok().json();
    let mistakes: Vec<Mistake> = serde_json::from_str(include_str!("data/mistakes.json")).unwrap();
    assert!(mistakes.len() >= 40);
    let mut wrong = String::new();
    for mistake in mistakes {
        let ran = run_with(
            &url,
            &index,
            &refs(&words(&mistake.arguments)),
            &mistake.input,
        );
        let printed = format!("{}{}", ran.stdout, ran.stderr);
        let complete = mistake.expected.iter().all(|text| printed.contains(text));
        if ran.code != mistake.code || !complete {
            wrong += &format!("{mistake:?}\n  code {}: {printed}\n", ran.code);
        }
    }
    assert_eq!(wrong, "");
    let after = run(&url, &index, &["list", "-o", "json"]).ok().json();
    assert_eq!(after, before);
}

fn refs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}
