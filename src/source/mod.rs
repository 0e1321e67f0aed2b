//! Reads the index: completely, or not at all.
//!
//! A read is complete only if every shard answered in time, the total is exact, and
//! as many documents came as the total says. Only then does a document's absence
//! mean that it was deleted.

mod error;
mod page;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tracing::debug;

use crate::cluster::{Client, Method, Request, RequestError, chain, malformed, segment};
use crate::hits::{Incomplete, SettingsAnswer};

pub use error::{ReadError, UpstreamError};
pub(crate) use page::{Collect, off_the_runtime};
use page::{Page, PageError, take_page};

/// How many documents one request reads: the usual `index.max_result_window`.
const PAGE: usize = 10_000;
/// How long the server keeps a point in time between two pages.
const KEEP_ALIVE: &str = "1m";
/// How long closing a point in time may take: a courtesy to the server, which must not
/// hold up the next poll.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The parts of an answer that are read. What shows completeness is among them.
const FILTER_PATH: &str = "pit_id,timed_out,_shards.total,_shards.successful,_shards.failed,\
                           hits.total,hits.hits._id,hits.hits._seq_no,hits.hits._source,\
                           hits.hits.sort";

/// The concrete index that a read came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ConcreteIndex {
    pub(crate) name: String,
    pub(crate) uuid: String,
    shards: u32,
}

/// Reads the index of a client.
#[derive(Debug)]
pub(crate) struct Source {
    client: Client,
    /// Keeps this instance on one copy of the shard.
    preference: String,
    max_documents: usize,
    /// The point in time that a read opened and nobody has closed.
    open: Mutex<Option<String>>,
}

impl Source {
    pub(crate) fn new(client: Client, preference: String, max_documents: usize) -> Self {
        Self {
            client,
            preference,
            max_documents,
            open: Mutex::default(),
        }
    }

    /// Which concrete index the name stands for now.
    pub(crate) async fn index(&self) -> Result<ConcreteIndex, ReadError> {
        let path = format!(
            "/{}/_settings/index.uuid,index.number_of_shards",
            segment(self.client.index())
        );
        let request = Request::new(Method::Get, path).query("flat_settings", "true");
        let operation = request.operation();
        let mut answer: SettingsAnswer = self
            .client
            .json(request)
            .await
            .map_err(|error| self.failed(error))?;
        if answer.len() != 1 {
            return Err(ReadError::NotOneIndex {
                index: self.client.index().to_owned(),
                indices: answer.into_keys().collect(),
            });
        }
        let (name, identity) = answer
            .drain()
            .next()
            .ok_or_else(|| self.failed(malformed(operation.clone(), "it names no index")))?;
        let shards = identity
            .settings
            .shards
            .parse()
            .map_err(|error| self.failed(malformed(operation, error)))?;
        Ok(ConcreteIndex {
            name,
            uuid: identity.settings.uuid,
            shards,
        })
    }

    /// Gives every document of a concrete index to a collector, page by page, in no
    /// particular order; then hands the collector back with how many there were.
    pub(crate) async fn read<C: Collect>(
        &self,
        index: &ConcreteIndex,
        collector: C,
    ) -> Result<(u64, C), ReadError> {
        // One search is one view of the shard. Only more than a page needs a point in
        // time, which costs two requests more.
        let request = self.search(&format!("/{}/_search", segment(&index.name)), json!({}));
        let body = self.send(request).await?;
        let page = self.take(body, collector, Some(PAGE as u64)).await?;
        if page.total <= PAGE as u64 {
            self.all_came(page.read, page.total)?;
            return Ok((page.total, page.collector));
        }
        self.read_pages(index, page.collector).await
    }

    /// Closes the point in time that the last read left open, if it did: one that was
    /// cut off by its deadline or by a panic could not do so itself.
    pub(crate) async fn close(&self) {
        let Some(pit_id) = self.open().take() else {
            return;
        };
        let close = Request::new(Method::Delete, "/_search/point_in_time")
            .json(json!({ "pit_id": [pit_id] }).to_string());
        // Otherwise the server closes it by itself after a while.
        match tokio::time::timeout(CLOSE_TIMEOUT, self.client.send(close)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => debug!(error = chain(&error), "could not close the point in time"),
            Err(_) => debug!("closing the point in time took too long"),
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<String>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads through a point in time; [`close`](Self::close) is the caller's duty.
    async fn read_pages<C: Collect>(
        &self,
        index: &ConcreteIndex,
        collector: C,
    ) -> Result<(u64, C), ReadError> {
        #[derive(serde::Deserialize)]
        struct Opened {
            pit_id: String,
        }
        let path = format!("/{}/_search/point_in_time", segment(&index.name));
        let request = Request::new(Method::Post, path)
            .query("keep_alive", KEEP_ALIVE)
            .query("allow_partial_pit_creation", "false")
            .query("preference", self.preference.as_str());
        let operation = request.operation();
        let body = self.send(request).await?;
        let Opened { pit_id } = serde_json::from_slice(&body)
            .map_err(|error| self.failed(malformed(operation, error)))?;
        *self.open() = Some(pit_id.clone());
        self.read_point_in_time(index, pit_id, collector).await
    }

    async fn read_point_in_time<C: Collect>(
        &self,
        index: &ConcreteIndex,
        mut pit_id: String,
        mut collector: C,
    ) -> Result<(u64, C), ReadError> {
        // A `_seq_no` is of one shard; several shards repeat them.
        let sort = if index.shards == 1 {
            json!([{ "_seq_no": "asc" }])
        } else {
            json!([{ "_seq_no": "asc" }, { "_shard_doc": "asc" }])
        };
        let mut after = None;
        let mut expected = None;
        let mut read = 0;
        loop {
            let mut body = json!({
                "pit": { "id": pit_id, "keep_alive": KEEP_ALIVE },
                "sort": sort,
            });
            if let Some(after) = after {
                body["search_after"] = after;
            }
            let body = self.send(self.search("/_search", body)).await?;
            let page = self.take(body, collector, None).await?;
            collector = page.collector;
            if let Some(id) = page.pit_id {
                *self.open() = Some(id.clone());
                pit_id = id;
            }
            let total = page.total;
            let before = *expected.get_or_insert(total);
            if before != total {
                let after = total;
                return Err(self.incomplete(Incomplete::TotalChanged { before, after }));
            }
            read += page.read;
            if page.read == 0 || read >= total {
                self.all_came(read, total)?;
                return Ok((total, collector));
            }
            if page.next.is_none() {
                return Err(self.incomplete(Incomplete::Unsaid("where to go on (sort)")));
            }
            after = page.next;
        }
    }

    /// Checks one page and gives its documents to the collector; unless there are more
    /// than `only_up_to` in all.
    async fn take<C: Collect>(
        &self,
        body: Bytes,
        collector: C,
        only_up_to: Option<u64>,
    ) -> Result<Page<C>, ReadError> {
        let cap = self.max_documents as u64;
        let bytes = body.len();
        let taken = off_the_runtime(bytes, move || take_page(&body, collector, cap, only_up_to));
        taken.await.map_err(|error| match error {
            PageError::Json(error) => {
                let operation = format!("POST /{}/_search", self.client.index());
                self.failed(malformed(operation, error))
            }
            PageError::Incomplete(what) => self.incomplete(what),
            PageError::TooMany(documents) => ReadError::TooManyDocuments {
                index: self.client.index().to_owned(),
                documents,
                cap: self.max_documents,
            },
        })
    }

    /// A search for everything, one page of it.
    fn search(&self, path: &str, mut body: serde_json::Value) -> Request {
        body["size"] = PAGE.into();
        body["track_total_hits"] = true.into();
        body["seq_no_primary_term"] = true.into();
        let request = Request::new(Method::Post, path)
            .query("allow_partial_search_results", "false")
            .query("filter_path", FILTER_PATH)
            .json(body.to_string());
        if body.get("pit").is_some() {
            // The point in time was opened with it.
            return request;
        }
        request.query("preference", self.preference.as_str())
    }

    async fn send(&self, request: Request) -> Result<Bytes, ReadError> {
        self.client
            .send(request)
            .await
            .map_err(|error| self.failed(error))
    }

    fn all_came(&self, read: u64, total: u64) -> Result<(), ReadError> {
        if read == total {
            return Ok(());
        }
        Err(self.incomplete(Incomplete::Hits { read, total }))
    }

    fn incomplete(&self, source: Incomplete) -> ReadError {
        ReadError::Incomplete {
            index: self.client.index().to_owned(),
            source,
        }
    }

    fn failed(&self, source: RequestError) -> ReadError {
        let index = self.client.index().to_owned();
        let source = Box::new(source);
        if source.is_index_not_found() {
            ReadError::NoIndex { index, source }
        } else {
            ReadError::Request { index, source }
        }
    }
}
