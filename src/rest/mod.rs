//! What is asked of the index, and when an answer counts.
//!
//! | file | asks |
//! |---|---|
//! | `probe.rs` | did anything change? |
//! | `changes.rs` | which documents changed? |
//! | `full.rs` | all documents |
//! | `confirm.rs` | what the primary and the cluster manager say of what looks wrong |
//!
//! A read is complete only if every shard answered in time, the total is exact, and
//! as many documents came as the total says. Only then does a document's absence
//! mean that it was deleted.

mod changes;
mod confirm;
mod error;
mod full;
mod page;
mod probe;
mod search_response;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tracing::debug;

use crate::http::{Client, Method, PinnedNode, Request, RequestError, chain, malformed, segment};

pub(crate) use changes::Changes;
pub(crate) use confirm::ClusterVersion;
pub use error::{ReadError, UpstreamError};
pub(crate) use full::FullRead;
pub(crate) use page::take_page;
use page::{Page, PageError};
pub use page::{off_the_runtime, weight_of};
pub(crate) use probe::{Probe, ShardCheckpoints};
pub use search_response::Incomplete;
use search_response::{AGGREGATIONS, SettingsAnswer};
pub(crate) use search_response::{Aggregates, Collect, Complete, Hit, SearchAnswer};

/// How many documents one request reads: the usual `index.max_result_window`.
pub(crate) const PAGE: usize = 10_000;
/// How long closing a point in time may take: a courtesy to the server, which must not
/// hold up the next poll.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The parts of an answer that are read. What shows completeness is among them.
const FILTER_PATH: &str = "pit_id,timed_out,_shards.total,_shards.successful,_shards.failed,\
                           hits.total,hits.hits._id,hits.hits._seq_no,hits.hits._primary_term,\
                           hits.hits._source,hits.hits.sort,aggregations.all.seq.count,\
                           aggregations.all.seq.max,aggregations.all.seq.sum,\
                           aggregations.all.updated.value";

/// The concrete index that a read came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ConcreteIndex {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) shards: u32,
    /// How often the index makes visible what was written; `None` if it does not by
    /// itself.
    pub(crate) refresh_interval: Option<Duration>,
}

impl ConcreteIndex {
    /// Name and uuid.
    pub(crate) fn identity(&self) -> (&str, &str) {
        (&self.name, &self.uuid)
    }
}

/// Reads the index of a client.
#[derive(Debug)]
pub(crate) struct Source {
    client: Client,
    /// The one that the poll's requests go to.
    node: PinnedNode,
    /// Lets any node answer each request, to see that it is noticed.
    #[cfg(test)]
    pub(crate) any_node: bool,
    /// Takes pages of any view for pages of one.
    #[cfg(test)]
    pub(crate) any_view: bool,
    /// How many documents one request reads.
    page: usize,
    /// Keeps this instance on one copy of the shard, and spreads the fleet.
    preference: String,
    /// Goes with the preference: another number is another copy, perhaps.
    copy: AtomicU32,
    max_documents: usize,
    /// The point in time that a read opened and nobody has closed.
    open: Mutex<Option<String>>,
}

impl Source {
    pub(crate) fn new(client: Client, instance: &str, max_documents: usize) -> Self {
        Self {
            client,
            node: PinnedNode::default(),
            #[cfg(test)]
            any_node: false,
            #[cfg(test)]
            any_view: false,
            page: PAGE,
            // A name of the cluster's own begins with an underscore.
            preference: format!("directives-{instance}"),
            copy: AtomicU32::new(0),
            max_documents,
            open: Mutex::default(),
        }
    }

    /// Begins a poll: the node that answers first answers all of it.
    pub(crate) fn begin(&mut self) {
        self.node = PinnedNode::default();
    }

    /// Whether the node that answered this poll went away, and there is another.
    pub(crate) fn has_lost_its_node(&self) -> bool {
        self.client.has_lost(&self.node)
    }

    /// The place of the node that answers this poll.
    pub(crate) fn node(&self) -> Option<usize> {
        self.node.index()
    }

    /// From the next poll on asks other nodes first.
    pub(crate) fn leave_node(&self) {
        self.client.avoid(&self.node);
    }

    /// From now on reads so many documents with one request.
    #[cfg(test)]
    pub(crate) fn read_pages_of(&mut self, page: usize) {
        self.page = page;
    }

    /// From now on asks another copy of the shard, if the cluster has one.
    pub(crate) fn ask_another_copy(&self) {
        self.copy.fetch_add(1, Ordering::Relaxed);
    }

    /// Which concrete index the name stands for now.
    pub(crate) async fn index(&self) -> Result<ConcreteIndex, ReadError> {
        let path = format!(
            "/{}/_settings/index.uuid,index.number_of_shards,index.refresh_interval",
            segment(self.client.index())
        );
        let request = Request::new(Method::Get, path).query("flat_settings", "true");
        let operation = request.operation();
        let body = self.send(request).await?;
        let mut answer: SettingsAnswer = serde_json::from_slice(&body)
            .map_err(|error| self.failed(malformed(operation.clone(), error)))?;
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
        let settings = identity.settings;
        let shards = settings
            .shards
            .parse()
            .map_err(|error| self.failed(malformed(operation, error)))?;
        Ok(ConcreteIndex {
            name,
            uuid: settings.uuid,
            shards,
            refresh_interval: refresh_interval(settings.refresh_interval.as_deref()),
        })
    }

    /// Closes the point in time that the last read left open, if it did: one that was
    /// cut off by its deadline or by a panic could not do so itself.
    pub(crate) async fn close(&self) {
        let Some(pit_id) = self.open().take() else {
            return;
        };
        let close = Request::new(Method::Delete, "/_search/point_in_time")
            .json(serde_json::json!({ "pit_id": [pit_id] }).to_string());
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

    fn preference(&self) -> String {
        match self.copy.load(Ordering::Relaxed) {
            0 => self.preference.clone(),
            copy => format!("{}-{copy}", self.preference),
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

    /// A search of so many documents, with the sum of all if that is asked for.
    fn search(
        path: &str,
        size: usize,
        aggregates: bool,
        mut body: serde_json::Map<String, serde_json::Value>,
    ) -> Request {
        body.insert("size".to_owned(), size.into());
        body.insert("track_total_hits".to_owned(), true.into());
        if size > 0 {
            body.insert("seq_no_primary_term".to_owned(), true.into());
        }
        if aggregates
            && let Ok(aggregations) = serde_json::from_str::<serde_json::Value>(AGGREGATIONS)
        {
            body.insert("aggs".to_owned(), aggregations);
        }
        Request::new(Method::Post, path)
            .query("allow_partial_search_results", "false")
            .query("filter_path", FILTER_PATH)
            .json(serde_json::Value::Object(body).to_string())
    }

    fn on_our_copy(&self, request: Request) -> Request {
        request.query("preference", self.preference())
    }

    /// Asks the poll's node.
    async fn ask(&self, request: Request) -> Result<Bytes, RequestError> {
        #[cfg(test)]
        if self.any_node {
            return self.client.send(request).await;
        }
        self.client.send_to(&self.node, request).await
    }

    async fn send(&self, request: Request) -> Result<Bytes, ReadError> {
        let answer = self.ask(request).await;
        answer.map_err(|error| self.failed(error))
    }

    fn all_came(&self, read: u64, total: u64) -> Result<(), ReadError> {
        if read == total {
            return Ok(());
        }
        Err(self.incomplete(Incomplete::Hits { read, total }))
    }

    pub(crate) fn incomplete(&self, source: Incomplete) -> ReadError {
        ReadError::Incomplete {
            index: self.client.index().to_owned(),
            source,
        }
    }

    pub(crate) fn stale(&self, what: impl Into<String>) -> ReadError {
        ReadError::Stale {
            index: self.client.index().to_owned(),
            what: what.into(),
        }
    }

    pub(crate) fn unconfirmed(&self) -> ReadError {
        ReadError::Unconfirmed {
            index: self.client.index().to_owned(),
        }
    }

    pub(crate) fn untold(&self) -> ReadError {
        ReadError::Untold {
            index: self.client.index().to_owned(),
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

/// Reads a refresh interval as settings give it: `1s`, `500ms`, `-1`. The server's own
/// default is a second.
fn refresh_interval(text: Option<&str>) -> Option<Duration> {
    let Some(text) = text else {
        return Some(Duration::from_secs(1));
    };
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text.get(..digits)?.parse().ok()?;
    Some(match text.get(digits..)? {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        "h" => Duration::from_secs(number.saturating_mul(3600)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_interval_is_read_as_the_settings_give_it() {
        let seconds = |n| Some(Duration::from_secs(n));
        for (text, interval) in [
            (None, seconds(1)),
            (Some("1s"), seconds(1)),
            (Some("250ms"), Some(Duration::from_millis(250))),
            (Some("2m"), seconds(120)),
            (Some("1h"), seconds(3600)),
            (Some("-1"), None),
            (Some("s"), None),
            (Some("5"), None),
            (Some("1fortnight"), None),
        ] {
            assert_eq!(refresh_interval(text), interval, "{text:?}");
        }
    }
}
