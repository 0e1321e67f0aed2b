//! Asks for all documents, page by page, in one view of the index.

use serde_json::{Map, Value, json};

use super::probe::is_refused_query;
use super::{ConcreteIndex, Page, ReadError, Source};
use crate::http::{Method, Request, malformed, segment};
use crate::rest::{Aggregates, Collect, Incomplete};

/// How long the server keeps a point in time between two pages.
const KEEP_ALIVE: &str = "1m";

/// All documents of one view.
#[derive(Debug)]
pub(crate) struct FullRead<C> {
    pub(crate) collector: C,
    /// The cluster's own sum of that view; `None` if the server cannot.
    pub(crate) aggregates: Option<Aggregates>,
    /// The highest primary term that a document was written in.
    pub(crate) term: Option<u64>,
    /// Whether the pages had to do without a point in time.
    pub(crate) live: bool,
}

/// The view that all pages are of.
enum View {
    PointInTime(String),
    /// The index as it is; pages are of one view if their sums agree.
    Live(Aggregates),
}

impl Source {
    /// Gives every document of a concrete index to a collector, in no particular order.
    pub(crate) async fn read<C: Collect>(
        &self,
        index: &ConcreteIndex,
        collector: C,
    ) -> Result<FullRead<C>, ReadError> {
        // One search is one view of the shard. Only more than a page needs a point in
        // time, which costs two requests more.
        let path = format!("/{}/_search", segment(&index.name));
        let request =
            |aggregates| self.on_our_copy(Self::search(&path, self.page, aggregates, Map::new()));
        let body = match self.ask(request(true)).await {
            Err(error) if is_refused_query(&error) => self.send(request(false)).await?,
            answer => answer.map_err(|error| self.failed(error))?,
        };
        let page = self.take(body, collector, Some(self.page as u64)).await?;
        if page.total <= self.page as u64 {
            self.all_came(page.read, page.total)?;
            return Ok(FullRead {
                collector: page.collector,
                aggregates: page.aggregates,
                term: page.term,
                live: false,
            });
        }
        let view = self.view(index, page.aggregates).await?;
        self.read_pages(index, view, page.aggregates.is_some(), page.collector)
            .await
    }

    /// A view for several pages; [`close`](Self::close) is the caller's duty.
    async fn view(
        &self,
        index: &ConcreteIndex,
        live: Option<Aggregates>,
    ) -> Result<View, ReadError> {
        #[derive(serde::Deserialize)]
        struct Opened {
            pit_id: String,
        }
        #[cfg(test)]
        if let (true, Some(live)) = (self.any_view, live) {
            return Ok(View::Live(live));
        }
        let path = format!("/{}/_search/point_in_time", segment(&index.name));
        let request = Request::new(Method::Post, path)
            .query("keep_alive", KEEP_ALIVE)
            .query("allow_partial_pit_creation", "false")
            .query("preference", self.preference());
        let operation = request.operation();
        let body = match (self.ask(request).await, live) {
            (Err(error), Some(live)) if error.is_unsupported() && index.shards == 1 => {
                return Ok(View::Live(live));
            }
            (body, _) => body.map_err(|error| self.failed(error))?,
        };
        let Opened { pit_id } = serde_json::from_slice(&body)
            .map_err(|error| self.failed(malformed(operation, error)))?;
        *self.open() = Some(pit_id.clone());
        Ok(View::PointInTime(pit_id))
    }

    async fn read_pages<C: Collect>(
        &self,
        index: &ConcreteIndex,
        mut view: View,
        sums_up: bool,
        mut collector: C,
    ) -> Result<FullRead<C>, ReadError> {
        let mut after = None;
        let mut first: Option<(u64, Option<Aggregates>)> = None;
        let (mut read, mut term) = (0, None);
        loop {
            // Summed up once, or at each page where that shows whether the view moved.
            let aggregates = sums_up && (first.is_none() || matches!(view, View::Live(_)));
            let request = self.page_request(index, &view, aggregates, after.take());
            let body = self.send(request).await?;
            let page: Page<C> = self.take(body, collector, None).await?;
            collector = page.collector;
            match (&mut view, page.pit_id) {
                (View::PointInTime(id), Some(next)) => {
                    *self.open() = Some(next.clone());
                    *id = next;
                }
                #[cfg(test)]
                (View::Live(_), _) if self.any_view => {}
                (View::Live(of), _) if page.aggregates != Some(*of) => {
                    return Err(self.incomplete(Incomplete::Fingerprint));
                }
                _ => {}
            }
            let total = page.total;
            let (before, summed) = *first.get_or_insert((total, page.aggregates));
            #[cfg(test)]
            let before = if self.any_view { total } else { before };
            if before != total {
                let after = total;
                return Err(self.incomplete(Incomplete::TotalChanged { before, after }));
            }
            read += page.read;
            term = term.max(page.term);
            if page.read == 0 || read >= total {
                #[cfg(test)]
                let read = if self.any_view { total } else { read };
                self.all_came(read, total)?;
                return Ok(FullRead {
                    collector,
                    aggregates: summed,
                    term,
                    live: matches!(view, View::Live(_)),
                });
            }
            if page.next.is_none() {
                return Err(self.incomplete(Incomplete::Unsaid("where to go on (sort)")));
            }
            after = page.next;
        }
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
        // A `_seq_no` is of one shard; several shards repeat them.
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
        match view {
            // It was opened on our copy.
            View::PointInTime(id) => {
                put("pit", json!({ "id": id, "keep_alive": KEEP_ALIVE }));
                Self::search("/_search", self.page, aggregates, body)
            }
            View::Live(_) => {
                let path = format!("/{}/_search", segment(&index.name));
                self.on_our_copy(Self::search(&path, self.page, aggregates, body))
            }
        }
    }
}
