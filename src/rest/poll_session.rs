//! Sends all requests of one poll to the same node, and closes the poll's point in time (PIT) even
//! if the poll is cancelled.

use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tracing::Instrument as _;

use super::incomplete::Incomplete;
use super::point_in_time::{self, PointInTimeId};
use super::read_error::{ReadError, ReadFailure};
use super::search_request::{Extras, PAGE_SIZE};
use crate::http::{Client, PinnedNode, Request, RequestError, malformed};
use crate::safeguard_switches::{Safeguard, Safeguards};

/// The state that all polls of a store share: the client, the limits and the preferred shard copy.
#[derive(Clone, Debug)]
pub(crate) struct IndexReader {
    client: Client,
    /// The maximum number of documents in one page of search results.
    page_size: usize,
    /// The maximum number of documents that the index may contain, including documents of ended
    /// directives.
    max_stored: usize,
    safeguards: Safeguards,
    /// True if reads request the `_version` of each document, which only a recorder needs.
    versions: bool,
    /// The value of the search parameter `preference`, which selects the shard copy. All searches
    /// of one instance have the same preference, so they go to the same shard copy. Different
    /// instances of a fleet have different preferences, so their searches are distributed over all
    /// shard copies.
    preference: String,
    /// A number that the client appends to the `preference` of its searches, unless the number is
    /// zero. A change of this number may direct the searches to a different shard copy.
    copy: u32,
}

impl IndexReader {
    pub(crate) fn new(client: Client, instance: &str, max_stored: usize) -> Self {
        Self {
            client,
            page_size: PAGE_SIZE,
            max_stored,
            safeguards: Safeguards::all(),
            versions: false,
            // OpenSearch reserves preferences that start with an underscore. The preference
            // therefore needs a prefix, because an instance name may start with an underscore.
            preference: format!("directives-{instance}"),
            copy: 0,
        }
    }

    /// Sets the page size and the safeguards, for tests that use small pages or switch off a
    /// safeguard.
    pub(crate) fn with_tuning(mut self, page_size: usize, safeguards: Safeguards) -> Self {
        self.page_size = page_size;
        self.safeguards = safeguards;
        self
    }

    /// Makes reads request the `_version` of each document, which a recorder needs.
    pub(crate) fn with_versions(mut self) -> Self {
        self.versions = true;
        self
    }

    /// Creates the session through which one poll sends all its requests.
    pub(crate) fn session(&self) -> Session {
        Session {
            reader: self.clone(),
            node: PinnedNode::default(),
            point_in_time: None,
        }
    }

    /// Changes the search parameter `preference`, so that the searches of later polls may go to
    /// another copy of the shard.
    pub(crate) fn switch_copy(&mut self) {
        self.copy = self.copy.wrapping_add(1);
    }
}

/// The session of one poll, through which the poll sends all its requests.
///
/// The node that responds to the first request of a poll serves all requests of this poll, because
/// a node can confirm only its own data.
///
/// [`close`](Self::close) closes the point in time that a full read or a reconciliation has opened.
/// If a deadline, a panic or a shutdown ends the poll early, a background task closes the point in
/// time.
#[derive(Debug)]
pub(crate) struct Session {
    reader: IndexReader,
    node: PinnedNode,
    point_in_time: Option<PointInTimeId>,
}

impl Session {
    /// Returns the configured name of the index or alias.
    pub(super) fn index_name(&self) -> &str {
        self.reader.client.index()
    }

    /// Returns which data the searches of the session request in addition to the documents.
    pub(super) fn extras(&self, aggregates: bool) -> Extras {
        Extras {
            aggregates,
            versions: self.reader.versions,
        }
    }

    /// Returns true if the node of this poll has failed, or has refused a request that another node
    /// may serve.
    pub(crate) fn has_lost_its_node(&self) -> bool {
        self.reader.client.has_lost(&self.node)
    }

    /// Returns the position of this poll's node in the configured list of nodes; `None` before the
    /// first response.
    pub(crate) fn node(&self) -> Option<usize> {
        self.node.index()
    }

    /// Marks the node of this poll as failed, so that later polls try the other nodes first.
    pub(crate) fn avoid_node(&self) {
        self.reader.client.avoid(&self.node);
    }

    /// Ends the session, and closes the point in time if a full read or a reconciliation has opened
    /// one.
    pub(crate) async fn close(mut self) {
        self.close_point_in_time().await;
    }

    pub(crate) async fn close_point_in_time(&mut self) {
        if let Some(id) = self.point_in_time.take() {
            point_in_time::close(self.reader.client.clone(), id).await;
        }
    }

    /// Stores the id of a point in time, so that the session closes the point in time at the end of
    /// the poll.
    pub(super) fn hold(&mut self, id: PointInTimeId) {
        self.point_in_time = Some(id);
    }

    pub(super) fn page_size(&self) -> usize {
        self.reader.page_size
    }

    pub(super) fn max_stored(&self) -> usize {
        self.reader.max_stored
    }

    pub(super) fn checks(&self, safeguard: Safeguard) -> bool {
        self.reader.safeguards.include(safeguard)
    }

    /// Returns the value of the search parameter `preference`, which directs all searches of this
    /// instance to the same shard copy.
    pub(super) fn preference(&self) -> String {
        match self.reader.copy {
            0 => self.reader.preference.clone(),
            copy => format!("{}-{copy}", self.reader.preference),
        }
    }

    pub(super) fn on_our_copy(&self, request: Request) -> Request {
        request.query("preference", self.preference())
    }

    /// Sends a request to the node of this poll. If the request fails, the caller receives the
    /// `RequestError`, to which it can react.
    pub(super) async fn try_send(&self, request: Request) -> Result<Bytes, RequestError> {
        if !self.checks(Safeguard::OneNode) {
            return self.reader.client.send(request).await;
        }
        self.reader.client.send_to(&self.node, request).await
    }

    /// Sends a request to the node of this poll. If the request fails, the caller receives a
    /// `ReadError`, with which the whole read fails.
    pub(super) async fn send(&self, request: Request) -> Result<Bytes, ReadError> {
        let response = self.try_send(request).await;
        response.map_err(|error| self.failed(error))
    }

    /// Sends a request to the node of this poll and decodes the JSON response. Returns `None` if
    /// the server does not support the request or the role does not permit it.
    pub(super) async fn send_if_supported<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<Option<T>, ReadError> {
        let operation = request.operation();
        match self.try_send(request).await {
            Ok(body) => serde_json::from_slice(&body)
                .map(Some)
                .map_err(|error| self.failed(malformed(operation, error))),
            Err(error) if error.is_unsupported() => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    pub(crate) fn error(&self, failure: ReadFailure) -> ReadError {
        ReadError::new(self.index_name(), failure)
    }

    pub(crate) fn incomplete(&self, what: Incomplete) -> ReadError {
        self.error(ReadFailure::Incomplete(what))
    }

    pub(super) fn failed(&self, error: RequestError) -> ReadError {
        ReadError::of_request(self.index_name(), error)
    }

    pub(super) fn expect_all(&self, read: u64, total: u64) -> Result<(), ReadError> {
        if read == total {
            return Ok(());
        }
        Err(self.incomplete(Incomplete::Hits { read, total }))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(id) = self.point_in_time.take() else {
            return;
        };
        // Without a tokio runtime, the client cannot send the request to close the point in time,
        // so the server closes it itself after one minute.
        if let Ok(runtime) = Handle::try_current() {
            let close = point_in_time::close(self.reader.client.clone(), id);
            drop(runtime.spawn(close.in_current_span()));
        }
    }
}

/// The time limit of the request that closes a point in time. This time limit is short, because
/// closing a point in time only frees memory on the server, and must not delay the next poll.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
