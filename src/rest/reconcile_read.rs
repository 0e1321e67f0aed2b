//! Sends the requests of a reconciliation, which compares the `_seq_no`s of all documents with the
//! replica. All requests of one reconciliation use the same point in time. The requests of a
//! reconciliation read the changed documents, and count the documents in ranges of `_seq_no`s.

use opensearch::SearchParts;
use serde_json::{Map, Value, json};

use super::histogram::{Bucket, HistogramQuery, saturating_sum};
use super::index_resolution::ConcreteIndex;
use super::page_check::Page;
use super::point_in_time::{KEEP_ALIVE, Opened, PointInTimeId};
use super::poll_session::Session;
use super::read_error::ReadError;
use super::search_request::{
    FILTER_PATH, NoDocuments, all_documents, is_refused_query, search_for,
};
use super::search_response::{Aggregates, Collect};
use crate::http::Request;
use crate::safeguard_switches::Safeguard;

/// The view of the index from which all requests of a reconciliation read.
#[derive(Debug)]
pub(crate) struct FrozenView {
    path: String,
    /// The id of the point in time; `None` if a test switches off the point in time.
    point_in_time: Option<PointInTimeId>,
}

/// The outcome of the first request of a reconciliation.
#[derive(Debug)]
pub(crate) enum FirstRead<C> {
    Read(ChangesAndCounts<C>),
    /// More documents have changed than one page of search results can contain.
    TooMany,
    /// The server does not support a query or an aggregation of the request.
    Unsupported,
}

/// The content of the first response of a reconciliation.
#[derive(Debug)]
pub(crate) struct ChangesAndCounts<C> {
    /// The collector, which has received the changed documents and the documents whose `_seq_no`s
    /// were requested again.
    pub(crate) collector: C,
    pub(crate) aggregates: Aggregates,
    /// The highest primary term of all documents in the index.
    pub(crate) term: Option<u64>,
    /// The buckets of the histogram that contain documents; empty if no histogram was requested.
    pub(crate) counted: Vec<Bucket>,
}

/// The name of the histogram aggregation in the requests and responses of a reconciliation.
const HISTOGRAM: &str = "h";
const NEWEST_TERM: &str = "aggregations.all.newest.hits.hits._primary_term";

impl Session {
    /// Opens a point in time for a reconciliation on the shard copy that this instance prefers.
    /// Returns `None` if the server cannot open a point in time.
    pub(crate) async fn freeze_view(
        &mut self,
        index: &ConcreteIndex,
    ) -> Result<Option<FrozenView>, ReadError> {
        let point_in_time = if self.checks(Safeguard::ReconcileView) {
            match self.open_point_in_time(index, true).await? {
                Opened::Open(id) => Some(id),
                Opened::Unavailable => return Ok(None),
            }
        } else {
            None
        };
        let path = match point_in_time {
            Some(_) => "/_search".to_owned(),
            None => SearchParts::Index(&[&index.name]).url().into_owned(),
        };
        Ok(Some(FrozenView {
            path,
            point_in_time,
        }))
    }

    /// Reads all documents whose `_seq_no` is at least `from` or is in `again`, and passes them to
    /// `collector`. The request for the changed documents also counts all documents of the index in
    /// the buckets of `query`.
    pub(crate) async fn read_changes_and_counts<C: Collect>(
        &mut self,
        view: &mut FrozenView,
        from: u64,
        again: &[u64],
        query: Option<&HistogramQuery>,
        collector: C,
    ) -> Result<FirstRead<C>, ReadError> {
        let mut body = Map::new();
        if from > 0 {
            let changed = json!({ "range": { "_seq_no": { "gte": from } } });
            let again = json!({ "terms": { "_seq_no": again } });
            let either = json!({ "bool": { "should": [changed, again] } });
            body.insert("query".to_owned(), either);
        }
        let newest = json!({ "top_hits": {
            "size": 1, "sort": [{ "_seq_no": "desc" }], "_source": false,
            "seq_no_primary_term": true,
        } });
        let mut aggregations = all_documents([("newest", newest)]);
        let mut filter_path = format!("{FILTER_PATH},{NEWEST_TERM}");
        if let Some(query) = query {
            aggregations["all"]["aggs"][HISTOGRAM] = query.aggregation();
            filter_path += ",";
            filter_path += &query.filter_path("aggregations.all.h");
        }
        body.insert("aggs".to_owned(), aggregations);
        let page_size = self.page_size();
        let request = self.request_in(view, page_size, &filter_path, body);
        let Some(page) = self.page_in(view, request, collector).await? else {
            return Ok(FirstRead::Unsupported);
        };
        if page.total > page_size as u64 {
            return Ok(FirstRead::TooMany);
        }
        let counted = match query {
            Some(query) => page.histogram.and_then(|counted| query.decode(counted)),
            None => Some(Vec::new()),
        };
        let (Some(aggregates), Some(counted)) = (page.aggregates, counted) else {
            return Ok(FirstRead::Unsupported);
        };
        if page.newest_term.is_none() && aggregates.documents > 0 {
            return Ok(FirstRead::Unsupported);
        }
        self.expect_all(page.read, page.total)?;
        Ok(FirstRead::Read(ChangesAndCounts {
            collector: page.collector,
            aggregates,
            term: page.newest_term.max(page.term),
            counted,
        }))
    }

    /// Counts the documents in the buckets of a histogram query. Returns `None` if the server does
    /// not return the requested histogram.
    pub(crate) async fn count(
        &mut self,
        view: &mut FrozenView,
        query: &HistogramQuery,
    ) -> Result<Option<Vec<Bucket>>, ReadError> {
        let mut body = Map::new();
        let restriction = query.query();
        let is_restricted = restriction.is_some();
        if let Some(restriction) = restriction {
            body.insert("query".to_owned(), restriction);
        }
        body.insert("aggs".to_owned(), json!({ HISTOGRAM: query.aggregation() }));
        let filter_path = format!("{FILTER_PATH},{}", query.filter_path("aggregations.h"));
        let request = self.request_in(view, 0, &filter_path, body);
        let Some(page) = self.page_in(view, request, NoDocuments).await? else {
            return Ok(None);
        };
        // An absent histogram counts as empty, because the server omits a histogram without buckets
        // if the request has a `filter_path`.
        let counted = page.histogram.unwrap_or_default();
        let Some(counted) = query.decode(counted) else {
            return Ok(None);
        };
        if is_restricted {
            // The search selects exactly the documents that the histogram counts, so the total of
            // the search must be the sum of the counts.
            let in_buckets = saturating_sum(counted.iter().map(|bucket| bucket.count));
            self.expect_all(in_buckets, page.total)?;
        }
        Ok(Some(counted))
    }

    /// Reads the documents whose `_seq_no`s are in `numbers`, and passes them to `collector`.
    /// Returns the collector, the number of the documents that were read, and their highest primary
    /// term.
    pub(crate) async fn read_numbers<C: Collect>(
        &mut self,
        view: &mut FrozenView,
        numbers: &[u64],
        collector: C,
    ) -> Result<Option<(C, u64, Option<u64>)>, ReadError> {
        let mut body = Map::new();
        let query = json!({ "terms": { "_seq_no": numbers } });
        body.insert("query".to_owned(), query);
        let request = self.request_in(view, self.page_size(), FILTER_PATH, body);
        let Some(page) = self.page_in(view, request, collector).await? else {
            return Ok(None);
        };
        self.expect_all(page.read, page.total)?;
        Ok(Some((page.collector, page.total, page.term)))
    }

    fn request_in(
        &self,
        view: &FrozenView,
        size: usize,
        filter_path: &str,
        mut body: Map<String, Value>,
    ) -> Request {
        if let Some(id) = &view.point_in_time {
            body.insert(
                "pit".to_owned(),
                json!({ "id": id, "keep_alive": KEEP_ALIVE }),
            );
            // A search in a point in time needs no parameter `preference`, because the point in
            // time belongs to the shard copy that this instance prefers.
            return search_for(&view.path, size, filter_path, body);
        }
        self.on_our_copy(search_for(&view.path, size, filter_path, body))
    }

    /// Sends a search request of a reconciliation, and returns an error if the response is
    /// incomplete. Returns `None` if the server does not support the query of the search.
    async fn page_in<C: Collect>(
        &mut self,
        view: &mut FrozenView,
        request: Request,
        collector: C,
    ) -> Result<Option<Page<C>>, ReadError> {
        let body = match self.try_send(request).await {
            Ok(body) => body,
            Err(error) if is_refused_query(&error) => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let page_size = self.page_size() as u64;
        let page = self.take(body, collector, Some(page_size)).await?;
        if let (Some(id), Some(next)) = (&mut view.point_in_time, &page.pit_id) {
            self.hold(next.clone());
            id.clone_from(next);
        }
        Ok(Some(page))
    }
}
