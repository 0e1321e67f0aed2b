//! Asks which documents changed, with a sum of all from the same view.

use serde_json::{Map, json};

use super::probe::is_refused_query;
use super::{ConcreteIndex, ReadError, Source};
use crate::http::segment;
use crate::rest::{Aggregates, Collect};

/// What an answer says of the changes.
#[derive(Debug)]
pub(crate) enum Changes<C> {
    /// These documents have a higher `_seq_no` than was asked for.
    Documents {
        collector: C,
        documents: u64,
        aggregates: Aggregates,
        /// The highest primary term that one of them was written in.
        term: Option<u64>,
    },
    /// More of them than one answer holds.
    TooMany,
    /// The server does not search or sum up sequence numbers.
    Unsupported,
}

impl Source {
    /// Gives the collector every document whose `_seq_no` is above `after`.
    pub(crate) async fn changes<C: Collect>(
        &self,
        index: &ConcreteIndex,
        after: Option<u64>,
        collector: C,
    ) -> Result<Changes<C>, ReadError> {
        let mut body = Map::new();
        if let Some(after) = after {
            body.insert(
                "query".to_owned(),
                json!({ "range": { "_seq_no": { "gt": after } } }),
            );
        }
        let path = format!("/{}/_search", segment(&index.name));
        let request = self.on_our_copy(Self::search(&path, self.page, true, body));
        let body = match self.ask(request).await {
            Ok(body) => body,
            Err(error) if is_refused_query(&error) => return Ok(Changes::Unsupported),
            Err(error) => return Err(self.failed(error)),
        };
        let page = self.take(body, collector, Some(self.page as u64)).await?;
        let Some(aggregates) = page.aggregates else {
            return Ok(Changes::Unsupported);
        };
        if page.total > self.page as u64 {
            return Ok(Changes::TooMany);
        }
        self.all_came(page.read, page.total)?;
        Ok(Changes::Documents {
            collector: page.collector,
            documents: page.total,
            aggregates,
            term: page.term,
        })
    }
}
