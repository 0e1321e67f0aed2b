//! Builds the search requests of a poll, and requests the count, maximum and sum of all `_seq_no`s.

use std::borrow::Cow;

use opensearch::SearchParts;
use serde_json::{Map, Value, json};

use super::incomplete::Incomplete;
use super::index_resolution::ConcreteIndex;
use super::poll_session::Session;
use super::read_error::ReadError;
use super::search_response::{Aggregates, Collect, Hit};
use crate::http::{Method, Request, RequestError};

/// The maximum number of documents in one page of search results, equal to the default of the index
/// setting `index.max_result_window`.
pub const PAGE_SIZE: usize = 10_000;
/// The value of the search parameter `filter_path`: the parts of the response that the client
/// needs, including all fields that show whether the response is complete.
pub(super) const FILTER_PATH: &str = "pit_id,timed_out,_shards.total,_shards.successful,_shards.failed,\
                           hits.total,hits.hits._id,hits.hits._seq_no,hits.hits._primary_term,\
                           hits.hits._source,hits.hits.sort,aggregations.all.seq.count,\
                           aggregations.all.seq.max,aggregations.all.seq.sum,\
                           aggregations.all.updated.value";

/// The aggregates over the whole index, as one shard copy has returned them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub(crate) of: Aggregates,
    /// True if the primary has returned the aggregates; false if another copy of the shard may have
    /// returned them.
    pub(crate) primary: bool,
}

/// The addition to `filter_path` that requests the `_version` of each document. Only a recorder
/// needs the `_version` of each document.
const VERSION_PATH: &str = ",hits.hits._version";

/// Which data a search requests in addition to the documents.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extras {
    /// True if the search requests the aggregates over all documents.
    pub(super) aggregates: bool,
    /// True if the search requests the `_version` of each document.
    pub(super) versions: bool,
}

/// Creates a search request for at most `size` documents and the data that `extras` selects.
pub(super) fn search(
    path: &str,
    size: usize,
    extras: Extras,
    mut body: Map<String, Value>,
) -> Request {
    let mut filter_path = Cow::Borrowed(FILTER_PATH);
    if extras.versions {
        body.insert("version".to_owned(), true.into());
        filter_path += VERSION_PATH;
    }
    if extras.aggregates {
        body.insert("aggs".to_owned(), all_documents([]));
    }
    search_for(path, size, &filter_path, body)
}

/// The value of `filter_path` for a search that needs the documents but no aggregations.
pub(crate) const HITS_PATH: &str = "timed_out,_shards.total,_shards.successful,_shards.failed,hits.total,\
                           hits.hits._id,hits.hits._seq_no,hits.hits._source,hits.hits.sort";

/// Creates a search request for at most `size` documents. `filter_path` selects the parts of the
/// response that the server returns.
pub(crate) fn search_for(
    path: &str,
    size: usize,
    filter_path: &str,
    mut body: Map<String, Value>,
) -> Request {
    body.insert("size".to_owned(), size.into());
    body.insert("track_total_hits".to_owned(), true.into());
    if size > 0 {
        body.insert("seq_no_primary_term".to_owned(), true.into());
    }
    Request::new(Method::Post, path)
        .query("allow_partial_search_results", "false")
        .query("filter_path", filter_path)
        .json(Value::Object(body).to_string())
}

/// Returns the aggregations over all documents of the index: the aggregations for [`Aggregates`],
/// and those in `others`.
pub(super) fn all_documents<const N: usize>(others: [(&str, Value); N]) -> Value {
    let mut all = json!({ "all": {
        "global": {},
        "aggs": {
            "seq": { "stats": { "field": "_seq_no" } },
            "updated": { "max": { "field": "updated_at" } },
        },
    } });
    for (name, aggregation) in others {
        all["all"]["aggs"][name] = aggregation;
    }
    all
}

impl Session {
    /// Requests the aggregates over the whole index from the shard copy that this instance prefers.
    /// Returns `None` if the server does not support aggregations on `_seq_no`.
    async fn summary(&self, index: &ConcreteIndex) -> Result<Option<Aggregates>, ReadError> {
        match self
            .try_summary(self.on_our_copy(summary_request(index)))
            .await
        {
            Ok(aggregates) => aggregates,
            Err(error) if is_refused_query(&error) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Requests the aggregates over the whole index from the primary. If the cluster does not
    /// permit a request to select the primary, the request goes to the shard copy that this
    /// instance prefers.
    pub(crate) async fn summary_of_primary(
        &self,
        index: &ConcreteIndex,
    ) -> Result<Option<Summary>, ReadError> {
        let request = summary_request(index).query("preference", "_primary");
        let of = match self.try_summary(request).await {
            Ok(aggregates) => aggregates?,
            Err(error) if is_refused_query(&error) => None,
            Err(error) if error.is_unsupported() => {
                let of = self.summary(index).await?;
                return Ok(of.map(|of| Summary { of, primary: false }));
            }
            Err(error) => return Err(self.failed(error)),
        };
        Ok(of.map(|of| Summary { of, primary: true }))
    }

    /// Requests the aggregates over all documents of the index, without any documents. The outer
    /// result is an error if the request fails. The inner result is an error if the response is
    /// incomplete.
    async fn try_summary(
        &self,
        request: Request,
    ) -> Result<Result<Option<Aggregates>, ReadError>, RequestError> {
        let body = self.try_send(request).await?;
        let page = self.take(body, NoDocuments, None).await;
        Ok(page.map(|page| page.aggregates))
    }
}

/// A collector that ignores all documents, for a search that requests aggregates but no documents.
#[derive(Debug)]
pub(super) struct NoDocuments;

impl Collect for NoDocuments {
    fn take(&mut self, _hit: &Hit<'_>) -> Result<(), Incomplete> {
        Ok(())
    }
}

fn summary_request(index: &ConcreteIndex) -> Request {
    let path = SearchParts::Index(&[&index.name]).url();
    let extras = Extras {
        aggregates: true,
        versions: false,
    };
    search(&path, 0, extras, Map::new())
}

/// Returns true if the server has refused the query of a search, for example because the server
/// cannot search by `_seq_no`.
pub(super) fn is_refused_query(error: &RequestError) -> bool {
    error.status() == Some(400) && error.is_unsupported()
}
