//! Reads all documents of the index page by page, and ensures that all pages show the same state of
//! the index.

use opensearch::SearchParts;
use serde_json::{Map, Value, json};

use super::incomplete::Incomplete;
use super::index_resolution::ConcreteIndex;
use super::point_in_time::{KEEP_ALIVE, Opened, PointInTimeId};
use super::poll_session::Session;
use super::read_error::ReadError;
use super::search_request::{is_refused_query, search};
use super::search_response::{Aggregates, Collect};
use crate::http::Request;
use crate::safeguard_switches::Safeguard;

/// The result of a full read: all documents of one state of the index.
#[derive(Debug)]
pub(crate) struct FullRead<C> {
    pub(crate) collector: C,
    /// The aggregates that the cluster computed over all documents; `None` if the cluster supports
    /// no aggregates.
    pub(crate) aggregates: Option<Aggregates>,
    /// The highest primary term of all documents that the full read returned.
    pub(crate) term: Option<u64>,
    /// True if the pages were read from the live index, because the server could not open a point
    /// in time.
    pub(crate) live: bool,
}

/// The view of the index from which a full read requests all its pages.
enum View {
    PointInTime(PointInTimeId),
    /// The live index, with the aggregates that the first page contained. If a later page contains
    /// other aggregates, the index has changed during the full read.
    Live(Aggregates),
}

/// The content of all pages that the full read has requested so far.
struct Pages<C> {
    collector: C,
    read: u64,
    term: Option<u64>,
    /// The value of the search parameter `search_after` with which the full read requests its next
    /// page.
    after: Option<Value>,
    /// The total number of documents and the aggregates in the first page; `None` before the first
    /// page.
    first: Option<(u64, Option<Aggregates>)>,
}

impl Session {
    /// Reads all documents of a concrete index, in no particular order, and passes them to
    /// `collector`.
    pub(crate) async fn read_all<C: Collect>(
        &mut self,
        index: &ConcreteIndex,
        collector: C,
    ) -> Result<FullRead<C>, ReadError> {
        // A single search always returns one state of the shard. A point in time costs two more
        // requests, so the full read opens one only if there are several pages.
        let path = SearchParts::Index(&[&index.name]).url();
        let page_size = self.page_size();
        let request = |aggregates| {
            self.on_our_copy(search(
                &path,
                page_size,
                self.extras(aggregates),
                Map::new(),
            ))
        };
        let body = match self.try_send(request(true)).await {
            Err(error) if is_refused_query(&error) => self.send(request(false)).await?,
            response => response.map_err(|error| self.failed(error))?,
        };
        let page = self.take(body, collector, Some(page_size as u64)).await?;
        if page.total <= page_size as u64 {
            self.expect_all(page.read, page.total)?;
            return Ok(FullRead {
                collector: page.collector,
                aggregates: page.aggregates,
                term: page.term,
                live: false,
            });
        }
        let view = self.open_view(index, page.aggregates).await?;
        let aggregates = page.aggregates.is_some();
        let read = self
            .read_pages(index, view, aggregates, page.collector)
            .await;
        self.close_point_in_time().await;
        read
    }

    /// Opens the view for a full read of several pages: a point in time, or the live index if the
    /// server cannot open a point in time.
    async fn open_view(
        &mut self,
        index: &ConcreteIndex,
        live: Option<Aggregates>,
    ) -> Result<View, ReadError> {
        if let (false, Some(live)) = (self.checks(Safeguard::OneView), live) {
            return Ok(View::Live(live));
        }
        let live = live.filter(|_| index.shards == 1);
        match (self.open_point_in_time(index, live.is_some()).await?, live) {
            (Opened::Open(id), _) => Ok(View::PointInTime(id)),
            (Opened::Unavailable, Some(live)) => Ok(View::Live(live)),
            (Opened::Unavailable, None) => Err(self.incomplete(Incomplete::Missing("pit_id"))),
        }
    }

    async fn read_pages<C: Collect>(
        &mut self,
        index: &ConcreteIndex,
        mut view: View,
        aggregates: bool,
        collector: C,
    ) -> Result<FullRead<C>, ReadError> {
        let mut pages = Pages {
            collector,
            read: 0,
            term: None,
            after: None,
            first: None,
        };
        loop {
            // The request for the first page always requests the aggregates. Without a point in
            // time, the request for every page requests the aggregates, so that the full read
            // detects a change of the index between two pages.
            let aggregates = aggregates && (pages.first.is_none() || matches!(view, View::Live(_)));
            let request = self.page_request(index, &view, aggregates, pages.after.take());
            let body = self.send(request).await?;
            let page = self.take(body, pages.collector, None).await?;
            self.check_view(&mut view, page.pit_id.as_ref(), page.aggregates)?;
            let is_last;
            (pages.collector, is_last) = {
                let (total, read) = (page.total, page.read);
                pages.first.get_or_insert((total, page.aggregates));
                self.check_total(pages.first, total)?;
                pages.read += read;
                pages.term = pages.term.max(page.term);
                pages.after = page.next;
                (page.collector, read == 0 || pages.read >= total)
            };
            if is_last {
                return self.finish(pages, &view);
            }
            if pages.after.is_none() {
                return Err(self.incomplete(Incomplete::Missing("sort")));
            }
        }
    }

    /// Returns an error if a page shows another state of the index than the previous pages of the
    /// full read.
    fn check_view(
        &mut self,
        view: &mut View,
        next_id: Option<&PointInTimeId>,
        aggregates: Option<Aggregates>,
    ) -> Result<(), ReadError> {
        match (view, next_id) {
            (View::PointInTime(id), Some(next)) => {
                self.hold(next.clone());
                id.clone_from(next);
            }
            (View::Live(of), _) if aggregates != Some(*of) && self.checks(Safeguard::OneView) => {
                return Err(self.incomplete(Incomplete::Fingerprint));
            }
            _ => {}
        }
        Ok(())
    }

    fn check_total(
        &self,
        first: Option<(u64, Option<Aggregates>)>,
        after: u64,
    ) -> Result<(), ReadError> {
        match first {
            Some((before, _)) if before != after && self.checks(Safeguard::OneView) => {
                Err(self.incomplete(Incomplete::TotalChanged { before, after }))
            }
            _ => Ok(()),
        }
    }

    fn finish<C>(&self, pages: Pages<C>, view: &View) -> Result<FullRead<C>, ReadError> {
        let (total, aggregates) = pages.first.unwrap_or_default();
        if self.checks(Safeguard::OneView) {
            self.expect_all(pages.read, total)?;
        }
        Ok(FullRead {
            collector: pages.collector,
            aggregates,
            term: pages.term,
            live: matches!(view, View::Live(_)),
        })
    }

    fn page_request(
        &self,
        index: &ConcreteIndex,
        view: &View,
        aggregates: bool,
        after: Option<Value>,
    ) -> Request {
        let mut body = Map::new();
        let mut put = |key: &str, value| body.insert(key.to_owned(), value);
        // Each shard assigns its own `_seq_no`s, so two documents of different shards can have the
        // same number. A search of an index with several shards therefore needs a second sort key.
        put(
            "sort",
            if index.shards == 1 {
                json!([{ "_seq_no": "asc" }])
            } else {
                json!([{ "_seq_no": "asc" }, { "_shard_doc": "asc" }])
            },
        );
        if let Some(after) = after {
            put("search_after", after);
        }
        let extras = self.extras(aggregates);
        match view {
            // A search in a point in time needs no parameter `preference`, because the point in
            // time belongs to the shard copy that this instance prefers.
            View::PointInTime(id) => {
                put("pit", json!({ "id": id, "keep_alive": KEEP_ALIVE }));
                search("/_search", self.page_size(), extras, body)
            }
            View::Live(_) => {
                let path = SearchParts::Index(&[&index.name]).url();
                self.on_our_copy(search(&path, self.page_size(), extras, body))
            }
        }
    }
}
