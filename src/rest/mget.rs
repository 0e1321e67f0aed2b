//! Requests the current versions of single documents in real time. The response contains the
//! current version of a document even before a refresh makes this version visible to searches.

use std::collections::HashMap;

use opensearch::MgetParts;
use serde::Deserialize;
use serde_json::json;

use super::incomplete::Incomplete;
use super::index_resolution::ConcreteIndex;
use super::poll_session::Session;
use super::read_error::ReadError;
use crate::http::{Method, Request};

/// The maximum number of documents that one `_mget` request asks for.
const IDS_PER_REQUEST: usize = 1_000;

/// The current `_seq_no`s of the documents that an `_mget` request asked for.
#[derive(Debug)]
pub(crate) struct CurrentVersions {
    /// The current `_seq_no` of each requested document that exists, by document id.
    pub(crate) seq_nos: HashMap<String, u64>,
    /// True if the primary has returned the `_seq_no`s; false if any copy of the shard may have
    /// returned them.
    pub(crate) primary: bool,
}

/// The outcome of a request for the current `_seq_no`s of documents.
#[derive(Debug)]
pub(crate) enum Lookup {
    Found(CurrentVersions),
    /// The server does not support `_mget` requests, or the role does not permit them.
    NotPermitted,
}

#[derive(Debug, Deserialize)]
struct Response {
    #[serde(default)]
    docs: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_seq_no")]
    seq_no: Option<u64>,
    /// Whether the requested document exists; `None` if the shard did not respond.
    found: Option<bool>,
    error: Option<ItemError>,
}

#[derive(Debug, Deserialize)]
struct ItemError {
    r#type: Option<String>,
}

impl Item {
    /// Returns true if the security plugin has refused to return the requested document. If the
    /// user lacks the shard-level privilege, the security plugin accepts the whole request but
    /// refuses each document.
    fn is_not_permitted(&self) -> bool {
        let error = self
            .error
            .as_ref()
            .and_then(|error| error.r#type.as_deref());
        error == Some("security_exception")
    }
}

impl Session {
    /// Requests the current `_seq_no`s of the documents with the given ids from the primary. If the
    /// cluster does not permit a request to select the primary, any copy of the shard may respond.
    pub(crate) async fn current_versions(
        &self,
        index: &ConcreteIndex,
        ids: impl IntoIterator<Item = &str>,
    ) -> Result<Lookup, ReadError> {
        let ids: Vec<&str> = ids.into_iter().collect();
        let mut seq_nos = HashMap::with_capacity(ids.len());
        let mut primary = true;
        for ids in ids.chunks(IDS_PER_REQUEST) {
            let Some((response, from_primary)) = self.mget(index, ids).await? else {
                return Ok(Lookup::NotPermitted);
            };
            primary &= from_primary;
            if response.docs.len() != ids.len() {
                let read = response.docs.len() as u64;
                let total = ids.len() as u64;
                return Err(self.incomplete(Incomplete::Hits { read, total }));
            }
            for item in response.docs {
                if item.is_not_permitted() {
                    return Ok(Lookup::NotPermitted);
                }
                match (item.found, item.seq_no) {
                    (Some(true), Some(seq_no)) => drop(seq_nos.insert(item.id, seq_no)),
                    (Some(false), _) => {}
                    _ => return Err(self.incomplete(Incomplete::Missing("docs.found"))),
                }
            }
        }
        Ok(Lookup::Found(CurrentVersions { seq_nos, primary }))
    }

    /// Sends one `_mget` request for the documents with the given ids. Returns the response, and
    /// true if the response comes from the primary. Returns `None` if the server does not support
    /// `_mget` or the role does not permit the request.
    async fn mget(
        &self,
        index: &ConcreteIndex,
        ids: &[&str],
    ) -> Result<Option<(Response, bool)>, ReadError> {
        let path = MgetParts::Index(&index.name).url();
        let request = Request::new(Method::Post, path)
            .query("_source", "false")
            .query(
                "filter_path",
                "docs._id,docs._seq_no,docs.found,docs.error.type",
            )
            .json(json!({ "ids": ids }).to_string());
        let to_primary = request.clone().query("preference", "_primary");
        if let Some(response) = self.send_if_supported(to_primary).await? {
            return Ok(Some((response, true)));
        }
        // The cluster refused the preference `_primary`, as a cluster with weighted routing does.
        // The client repeats the `_mget` request without the preference `_primary`, so any copy of
        // the shard may respond.
        let response = self.send_if_supported(request).await?;
        Ok(response.map(|response| (response, false)))
    }
}
