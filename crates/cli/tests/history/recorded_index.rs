//! Provides an index with a history whose records a test writes itself, so that the test can omit
//! or forge records.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::command::{Ran, run};
use crate::support::http;
use crate::support::in_hours;
use crate::support::node::{installed_index, shared_url};

/// An index with a history, in which the test decides which operations have a record.
pub(super) struct Recorded {
    pub(super) url: String,
    pub(super) index: String,
    uuid: String,
    history_uuid: String,
}

/// One operation that the test performed on the index, with the response of OpenSearch.
pub(super) struct Operation {
    directive: String,
    response: Value,
    document: Option<Value>,
}

impl Recorded {
    pub(super) async fn new(prefix: &str, append_only: bool) -> Self {
        let url = shared_url();
        let index = installed_index(&url, prefix).await;
        let stream = format!("{index}-history");
        let template = include_str!("../../../../mappings/history-template.json");
        let mut template: Value = serde_json::from_str(template).unwrap();
        template["index_patterns"] = json!([stream]);
        let settings = &mut template["template"]["settings"];
        settings["index.append_only.enabled"] = append_only.into();
        let (status, response) =
            http::put(&format!("{url}/_index_template/{stream}"), &template).await;
        assert_eq!(status, 200, "{response}");
        let (status, response) =
            http::send("PUT", &format!("{url}/_data_stream/{stream}"), None).await;
        assert_eq!(status, 200, "{response}");
        let (_, settings) = http::get(&format!("{url}/{index}/_settings")).await;
        let (_, shards) = http::get(&format!("{url}/{index}/_stats?level=shards")).await;
        let shard = &shards["indices"][&index]["shards"]["0"][0];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            uuid: text(&settings[&index]["settings"]["index"]["uuid"]),
            history_uuid: text(&shard["commit"]["user_data"]["history_uuid"]),
            url,
            index,
        }
    }

    pub(super) fn uuid(&self) -> &str {
        &self.uuid
    }

    fn document_url(&self, id: &str) -> String {
        format!("{}/{}/_doc/{id}", self.url, self.index)
    }

    pub(super) async fn write(&self, id: &str, tenant: &str) -> Operation {
        let draft = json!({"level": "Shape", "tenant": tenant, "expires_at": in_hours(1), "updated_by": "alice", "ticket": "INC-1"});
        let (status, response) =
            http::put(&format!("{}?refresh=true", self.document_url(id)), &draft).await;
        assert!(status < 300, "{response}");
        let (_, stored) = http::get(&self.document_url(id)).await;
        Operation {
            directive: id.to_owned(),
            response,
            document: Some(stored["_source"].clone()),
        }
    }

    pub(super) async fn delete(&self, id: &str) -> Operation {
        let url = format!("{}?refresh=true", self.document_url(id));
        let (_, response) = http::send("DELETE", &url, None).await;
        Operation {
            directive: id.to_owned(),
            response,
            document: None,
        }
    }

    pub(super) fn record(&self, operation: &Operation) -> (String, Value) {
        let response = &operation.response;
        let is_deletion = operation.document.is_none();
        let at = match &operation.document {
            Some(document) => document["updated_at"].clone(),
            None => in_hours(0).into(),
        };
        let kind = match (is_deletion, response["result"].as_str()) {
            (true, _) => "deleted",
            (false, Some("created")) => "created",
            (false, _) => "replaced",
        };
        let mut record = json!({
            "@timestamp": at, "kind": kind, "directive": operation.directive, "by": "alice",
            "ticket": "INC-1", "changed": [], "index_uuid": self.uuid,
            "history_uuid": self.history_uuid, "primary_term": response["_primary_term"],
            "seq_no": response["_seq_no"], "version": response["_version"],
            "recorded_at": in_hours(0), "recorded_by": "test",
        });
        if let Some(document) = &operation.document {
            record["document"] = document.clone();
        }
        let id = format!(
            "{}.{}.{}.{}",
            self.uuid, self.history_uuid, response["_primary_term"], response["_seq_no"]
        );
        (id, record)
    }

    pub(super) async fn append(&self, records: &[(String, Value)]) {
        let mut body = String::new();
        for (id, record) in records {
            let _ = writeln!(body, "{}\n{record}", json!({ "create": { "_id": id } }));
        }
        http::bulk(&format!("{}/{}-history", self.url, self.index), body).await;
    }

    pub(super) async fn append_all(&self, operations: &[&Operation]) {
        let records: Vec<_> = operations.iter().map(|one| self.record(one)).collect();
        self.append(&records).await;
    }

    pub(super) fn history(&self, args: &[&str]) -> Ran {
        run(&self.url, &self.index, &[&["history"], args].concat())
    }

    pub(super) fn verify(&self) -> Ran {
        self.history(&["verify", "--wait", "1ms"])
    }
}
