//! Sends all requests of one poll to one node, and leaves nothing open on the server afterwards.

use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tracing::Instrument as _;

use super::error::{ReadError, ReadFailure};
use super::incomplete::Incomplete;
use super::point_in_time::{self, PointInTimeId};
use super::search::PAGE_SIZE;
use crate::http::{Client, PinnedNode, Request, RequestError};
use crate::safeguard_switches::{Safeguard, Safeguards};

/// What stays the same from one poll to the next: the client, the limits and the preferred
/// copy of the shard.
#[derive(Clone, Debug)]
pub(crate) struct IndexReader {
    client: Client,
    /// How many documents one request reads.
    page_size: usize,
    max_documents: usize,
    safeguards: Safeguards,
    /// Keeps this instance on one copy of the shard and spreads the fleet over all copies.
    preference: String,
    /// This number is part of the preference, so that another number may select another copy.
    copy: u32,
}

impl IndexReader {
    pub(crate) fn new(client: Client, instance: &str, max_documents: usize) -> Self {
        Self {
            client,
            page_size: PAGE_SIZE,
            max_documents,
            safeguards: Safeguards::all(),
            // Preferences that start with an underscore are reserved by the cluster.
            preference: format!("directives-{instance}"),
            copy: 0,
        }
    }

    /// Sets the page size and the safeguards, for tests that leave one out.
    pub(crate) fn with_tuning(mut self, page_size: usize, safeguards: Safeguards) -> Self {
        self.page_size = page_size;
        self.safeguards = safeguards;
        self
    }

    /// Starts the requests of one poll.
    pub(crate) fn session(&self) -> Session {
        Session {
            reader: self.clone(),
            node: PinnedNode::default(),
            point_in_time: None,
        }
    }

    /// Sends the searches of later sessions to another copy of the shard, if there is one.
    pub(crate) fn switch_copy(&mut self) {
        self.copy = self.copy.wrapping_add(1);
    }
}

/// The requests of one poll.
///
/// The node that responds first serves all of them, because what one node says about the
/// cluster says nothing about what another node shows. A point in time that a full read opened
/// is closed by [`close`](Self::close), or in the background when the session is dropped
/// because a deadline, a panic or a shutdown ended the poll.
#[derive(Debug)]
pub(crate) struct Session {
    reader: IndexReader,
    node: PinnedNode,
    point_in_time: Option<PointInTimeId>,
}

impl Session {
    /// The name of the index or alias that is read.
    pub(super) fn index_name(&self) -> &str {
        self.reader.client.index()
    }

    /// Whether the node that serves this session failed, and the cluster has others.
    pub(crate) fn has_lost_its_node(&self) -> bool {
        self.reader.client.has_lost(&self.node)
    }

    /// The number of the node that serves this session, once it has responded.
    pub(crate) fn node(&self) -> Option<usize> {
        self.node.index()
    }

    /// Makes later sessions prefer other nodes.
    pub(crate) fn avoid_node(&self) {
        self.reader.client.avoid(&self.node);
    }

    /// Closes the point in time that a read left open.
    pub(crate) async fn close(mut self) {
        self.close_point_in_time().await;
    }

    pub(super) async fn close_point_in_time(&mut self) {
        if let Some(id) = self.point_in_time.take() {
            point_in_time::close(self.reader.client.clone(), id).await;
        }
    }

    /// Remembers the point in time that is to be closed.
    pub(super) fn hold(&mut self, id: PointInTimeId) {
        self.point_in_time = Some(id);
    }

    pub(super) fn page_size(&self) -> usize {
        self.reader.page_size
    }

    pub(super) fn max_documents(&self) -> usize {
        self.reader.max_documents
    }

    pub(super) fn checks(&self, safeguard: Safeguard) -> bool {
        self.reader.safeguards.include(safeguard)
    }

    /// The search preference of this instance.
    pub(super) fn preference(&self) -> String {
        match self.reader.copy {
            0 => self.reader.preference.clone(),
            copy => format!("{}-{copy}", self.reader.preference),
        }
    }

    pub(super) fn on_our_copy(&self, request: Request) -> Request {
        request.query("preference", self.preference())
    }

    /// Sends a request to the session's node. The caller decides what a refusal means.
    pub(super) async fn try_send(&self, request: Request) -> Result<Bytes, RequestError> {
        if !self.checks(Safeguard::OneNode) {
            return self.reader.client.send(request).await;
        }
        self.reader.client.send_to(&self.node, request).await
    }

    /// Sends a request to the session's node; a refusal fails the read.
    pub(super) async fn send(&self, request: Request) -> Result<Bytes, ReadError> {
        let response = self.try_send(request).await;
        response.map_err(|error| self.failed(error))
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
        // Without a runtime the server closes it by itself when its keep-alive is over.
        if let Ok(runtime) = Handle::try_current() {
            let close = point_in_time::close(self.reader.client.clone(), id);
            drop(runtime.spawn(close.in_current_span()));
        }
    }
}

/// The time that closing a point in time may take: it only frees memory on the server early,
/// so it must not delay the next poll.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
