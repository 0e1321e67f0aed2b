//! Checks that one page of search results is complete, and then passes its documents to a
//! collector.

use bytes::Bytes;

use super::histogram::RawHistogram;
use super::incomplete::Incomplete;
use super::offload::off_the_runtime;
use super::poll_session::Session;
use super::read_error::{ReadError, ReadFailure};
use super::search_response::{Aggregates, Collect, Complete, SearchResponse};
use crate::http::malformed;

pub(crate) struct Page<C> {
    pub(crate) collector: C,
    pub(crate) pit_id: Option<String>,
    pub(crate) total: u64,
    pub(crate) read: u64,
    pub(crate) aggregates: Option<Aggregates>,
    pub(crate) histogram: Option<RawHistogram>,
    /// The primary term of the document with the highest `_seq_no` of the index.
    pub(crate) newest_term: Option<u64>,
    /// The highest primary term of the documents on this page.
    pub(crate) term: Option<u64>,
    /// The value of the search parameter `search_after` with which the next page is requested.
    pub(crate) next: Option<serde_json::Value>,
}

pub(crate) enum PageError {
    Json(serde_json::Error),
    Incomplete(Incomplete),
    TooMany(u64),
}

impl Session {
    /// Decodes one page of search results, and passes its documents to `collector`. Returns an
    /// error if the page is incomplete. If the search found more than `only_up_to` documents, the
    /// collector receives none of them.
    pub(super) async fn take<C: Collect>(
        &self,
        body: Bytes,
        collector: C,
        only_up_to: Option<u64>,
    ) -> Result<Page<C>, ReadError> {
        let max_stored = self.max_stored();
        let bytes = body.len();
        let taken = off_the_runtime(bytes, move || {
            take_page(&body, collector, max_stored as u64, only_up_to)
        });
        taken.await.map_err(|error| match error {
            PageError::Json(error) => {
                let operation = format!("POST /{}/_search", self.index_name());
                self.failed(malformed(operation, error))
            }
            PageError::Incomplete(what) => self.incomplete(what),
            PageError::TooMany(documents) => self.error(ReadFailure::TooManyStored {
                documents,
                max_stored,
            }),
        })
    }
}

/// Decodes one page of search results, and passes its documents to `collector`. Returns an error if
/// the page is incomplete. If the search found more than `only_up_to` documents, the collector
/// receives none of them.
pub(crate) fn take_page<C: Collect>(
    body: &[u8],
    mut collector: C,
    max_stored: u64,
    only_up_to: Option<u64>,
) -> Result<Page<C>, PageError> {
    let mut response: SearchResponse<'_> = serde_json::from_slice(body).map_err(PageError::Json)?;
    let pit_id = response.pit_id.take().map(String::from);
    let complete = response.complete().map_err(PageError::Incomplete)?;
    let next = complete.search_after().map_err(PageError::Json)?;
    let Complete {
        total,
        hits,
        aggregates,
        histogram,
        newest_term,
    } = complete;
    if total > max_stored {
        return Err(PageError::TooMany(total));
    }
    if only_up_to.is_none_or(|most| total <= most) {
        collector.expect(usize::try_from(total).unwrap_or(hits.len()));
        for hit in &hits {
            collector.take(hit).map_err(PageError::Incomplete)?;
        }
    }
    Ok(Page {
        collector,
        pit_id,
        total,
        read: hits.len() as u64,
        term: hits.iter().filter_map(|hit| hit.primary_term).max(),
        aggregates,
        histogram,
        newest_term,
        next,
    })
}
