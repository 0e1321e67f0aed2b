//! Implements one of the eight writers that change an index at the same time. A writer changes one
//! of its directives with the command, and its other directives with direct requests of each kind.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::support::command::run;

/// One of the writers that change an index at the same time, each with its own document ids.
pub(super) struct Writer<'a> {
    pub(super) url: &'a str,
    pub(super) index: &'a str,
    pub(super) number: usize,
    pub(super) random: fastrand::Rng,
    /// The number of writes that the command has performed and recorded, for all writers together.
    pub(super) commands: &'a AtomicUsize,
    /// True if the test kills the node during the writes, so that requests may fail.
    pub(super) node_fails: bool,
}

impl Writer<'_> {
    pub(super) async fn write(&mut self, operations: usize) {
        for operation in 0..operations {
            let id = format!("w{}-{}", self.number, self.random.u8(..4));
            let document = json!({
                "level": "Shape", "tenant": format!("t{operation}"), "ttl_secs": 600,
                "updated_by": format!("writer-{}", self.number),
            });
            let own = json!({ "prefix": { "_id": format!("w{}-", self.number) } });
            let ids = json!({ "ids": { "values": [id] } });
            match self.random.u8(..8) {
                0 => {
                    let path = format!("_doc/{id}");
                    self.send("PUT", &path, &document.to_string()).await;
                }
                1 => {
                    let other = format!("w{}-x", self.number);
                    let lines = [
                        json!({ "index": { "_id": id } }),
                        document,
                        json!({ "update": { "_id": id } }),
                        json!({ "doc": { "reason": "seen" } }),
                        json!({ "delete": { "_id": other } }),
                    ];
                    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
                    self.send("POST", "_bulk", &body).await;
                }
                2 => {
                    let change =
                        json!({ "doc": { "reason": operation.to_string(), "author": "eve" } });
                    self.send("POST", &format!("_update/{id}"), &change.to_string())
                        .await;
                }
                3 => {
                    let script = json!({ "source": "ctx._source.ticket = params.t", "params": { "t": operation.to_string() } });
                    let body = json!({ "query": ids, "script": script }).to_string();
                    self.send(
                        "POST",
                        "_update_by_query?conflicts=proceed&refresh=true",
                        &body,
                    )
                    .await;
                }
                4 if self.random.u8(..4) == 0 => {
                    let body = json!({ "query": own }).to_string();
                    self.send(
                        "POST",
                        "_delete_by_query?conflicts=proceed&refresh=true",
                        &body,
                    )
                    .await;
                }
                4 | 5 => self.send("DELETE", &format!("_doc/{id}"), "").await,
                _ => self.command(operation).await,
            }
        }
    }

    async fn send(&self, method: &str, path: &str, body: &str) {
        let method: reqwest::Method = method.parse().unwrap();
        let request = reqwest::Client::new()
            .request(method, format!("{}/{}/{path}", self.url, self.index))
            .header("content-type", "application/json")
            .body(body.to_owned());
        match request.send().await {
            // The writer accepts every status of a response, because a write may conflict with
            // another write, and the document of a write may not exist.
            Ok(response) => drop(response.text().await),
            Err(error) => assert!(self.node_fails, "{error}"),
        }
    }

    /// Runs the command once to apply or delete this writer's directive `cmd-NUMBER`, for which the
    /// writer never sends direct requests.
    async fn command(&mut self, operation: usize) {
        let id = format!("cmd-{}", self.number);
        let reason = operation.to_string();
        let applies = [
            "apply",
            &id,
            "--level",
            "Shape",
            "--tenant",
            "acme",
            "--ttl",
            "10m",
            "--replace",
            "--reactivate",
            "--yes",
            "--reason",
            &reason,
        ];
        let args: Vec<String> = if self.random.u8(..4) == 0 {
            ["delete", &id, "--yes"].map(str::to_owned).into()
        } else {
            applies.map(str::to_owned).into()
        };
        let (url, index) = (self.url.to_owned(), self.index.to_owned());
        let run = move || {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            run(&url, &index, &args)
        };
        let ran = tokio::task::spawn_blocking(run).await.unwrap();
        match ran.code {
            // While the node fails, the command may write the directive but print a warning that it
            // could not record the write.
            0 if is_unrecorded(&ran.stderr) => assert!(self.node_fails, "{}", ran.stderr),
            0 => {
                self.commands.fetch_add(1, Ordering::Relaxed);
            }
            // The exit code 3 means that the directive that the command should delete did not
            // exist.
            3 => {}
            code => assert!(self.node_fails, "{code}: {}{}", ran.stdout, ran.stderr),
        }
    }
}

/// Returns true if the error output of the command warns that the command did not record its write.
fn is_unrecorded(stderr: &str) -> bool {
    stderr.contains("are not recorded") || stderr.contains("are not in the history")
}
