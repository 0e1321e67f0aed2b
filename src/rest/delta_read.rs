//! Performs delta reads: searches for the documents whose `_seq_no` is above a given number. The
//! request of a delta read also returns the aggregates over all documents of the index.

use opensearch::SearchParts;
use serde_json::{Map, json};

use super::index_resolution::ConcreteIndex;
use super::poll_session::Session;
use super::read_error::ReadError;
use super::search_request::{is_refused_query, search};
use super::search_response::{Aggregates, Collect};

/// The outcome of a delta read, which requests only the documents that have changed.
#[derive(Debug)]
pub(crate) enum DeltaRead<C> {
    /// The server has returned all documents whose `_seq_no` is above the requested number.
    Documents {
        collector: C,
        documents: u64,
        aggregates: Aggregates,
        /// The highest primary term of the documents that the delta read returned.
        term: Option<u64>,
    },
    /// More documents have changed than one page of search results can contain.
    TooMany,
    /// The server cannot search or aggregate by `_seq_no`, so the poll must read all documents.
    Unsupported,
}

impl Session {
    /// Reads every document whose `_seq_no` is above `after`, and passes the documents to
    /// `collector`. If `after` is `None`, the function reads all documents of the index.
    pub(crate) async fn read_delta<C: Collect>(
        &self,
        index: &ConcreteIndex,
        after: Option<u64>,
        collector: C,
    ) -> Result<DeltaRead<C>, ReadError> {
        let mut body = Map::new();
        if let Some(after) = after {
            let range = json!({ "range": { "_seq_no": { "gt": after } } });
            body.insert("query".to_owned(), range);
        }
        let path = SearchParts::Index(&[&index.name]).url();
        let page_size = self.page_size();
        let request = self.on_our_copy(search(&path, page_size, self.extras(true), body));
        let body = match self.try_send(request).await {
            Ok(body) => body,
            Err(error) if is_refused_query(&error) => return Ok(DeltaRead::Unsupported),
            Err(error) => return Err(self.failed(error)),
        };
        let page = self.take(body, collector, Some(page_size as u64)).await?;
        let Some(aggregates) = page.aggregates else {
            return Ok(DeltaRead::Unsupported);
        };
        if page.total > page_size as u64 {
            return Ok(DeltaRead::TooMany);
        }
        self.expect_all(page.read, page.total)?;
        Ok(DeltaRead::Documents {
            collector: page.collector,
            documents: page.total,
            aggregates,
            term: page.term,
        })
    }
}
