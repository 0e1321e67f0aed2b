//! Tests on a real node which signed directives an agent with trusted keys applies.

mod keygen;
mod policies;
mod rotation;
mod write_access;

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::agent::Agent;
use crate::support::command::{Ran, directives, run};
use crate::support::http;
use crate::support::node::{installed_index, shared_url};

/// An index with signed directives, and a folder with the keys of the signers.
struct Site {
    url: String,
    index: String,
    folder: TempDir,
}

impl Site {
    async fn new(name: &str) -> Self {
        let url = shared_url();
        let index = installed_index(&url, name).await;
        Self {
            url,
            index,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn run(&self, args: &str) -> Ran {
        let args: Vec<String> = args
            .split_whitespace()
            .map(|word| self.word(word))
            .collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        run(&self.url, &self.index, &args)
    }

    /// Replaces the name of a key file or policy file in a command line by the path of this file,
    /// and returns any other word unchanged.
    fn word(&self, word: &str) -> String {
        let is_file = [".key", ".pub", ".json"]
            .iter()
            .any(|end| word.ends_with(end));
        if is_file {
            self.text(word)
        } else {
            word.to_owned()
        }
    }

    fn keygen(&self, name: &str) {
        let made = directives().args(["keygen", &self.text(name)]).output();
        assert!(made.unwrap().status.success());
    }

    fn agent(&self, args: &[&str]) -> Agent {
        let args: Vec<String> = args.iter().map(|word| self.word(word)).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Agent::start(&self.url, &self.index, &args)
    }

    /// Writes a document without the ingest pipeline, which anybody who may write to the index can
    /// do.
    async fn write(&self, id: &str, source: &Value) {
        let url = format!(
            "{}/{}/_doc/{id}?pipeline=_none&refresh=true",
            self.url, self.index
        );
        let (status, response) = http::put(&url, source).await;
        assert!(status < 300, "{response}");
    }

    async fn source(&self, id: &str) -> Value {
        let (_, found) = http::get(&format!("{}/{}/_doc/{id}", self.url, self.index)).await;
        found["_source"].clone()
    }
}

/// Waits until an agent rejects the directive `id`, and returns the reason that the agent reports.
async fn rejected(agent: &Agent, id: &str) -> String {
    let reason = |status: &Value| {
        let all = status["rejected"].as_array().cloned().unwrap_or_default();
        let one = all.into_iter().find(|one| one["id"] == id);
        one.map(|one| one["reason"].as_str().unwrap().to_owned())
    };
    let status = agent
        .status_when(&format!("{id} is rejected"), |status| {
            reason(status).is_some()
        })
        .await;
    reason(&status).unwrap()
}

async fn applied(agent: &Agent, directives: u64, rejections: usize) -> Value {
    let what = format!("{directives} directives, {rejections} rejections");
    agent
        .status_when(&what, |status| {
            status["directives"] == directives
                && status["rejected"].as_array().map(Vec::len) == Some(rejections)
        })
        .await
}

const SHAPE: &str = "--level Shape --tenant acme --ttl 1h";
