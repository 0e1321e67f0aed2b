//! Sends bulk requests in parts of limited size, and reads the result of each action from the
//! response.

use opensearch::BulkParts;
use serde::Deserialize;

use super::directives_api::DirectivesApi;
use super::error::WriteError;
use crate::http::{BulkResponse, Exception, Method, Request, malformed};

/// The numbers that the cluster assigned to the operation of a bulk action: the `_version`, the
/// `_seq_no` and the primary term.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OperationNumbers {
    pub(super) seq_no: u64,
    pub(super) primary_term: u64,
    /// The `_version` of the document after the operation; `None` if the version is not known.
    pub(super) version: Option<u64>,
}

/// The cluster's response to one bulk action.
#[derive(Debug)]
pub(super) enum ActionResult {
    /// The action succeeded. An action that changed nothing has no numbers.
    Done(Option<OperationNumbers>),
    /// OpenSearch reported that the document does not exist. Even a deletion of a document that
    /// does not exist gets a `_seq_no`.
    NotFound(Option<OperationNumbers>),
    /// The stored document does not have the version that the action requires.
    Conflict,
    /// The cluster refused the action, for the reason in the string.
    Refused(String),
}

/// Groups items into consecutive parts of at most `limit` bytes, and returns the number of items in
/// each part. If an item is longer than the limit, it becomes a separate part.
pub(super) fn parts(lengths: impl Iterator<Item = usize>, limit: usize) -> Vec<usize> {
    let mut parts = Vec::new();
    let (mut items, mut bytes) = (0, 0);
    for length in lengths {
        if items > 0 && bytes + length > limit {
            parts.push(items);
            (items, bytes) = (0, 0);
        }
        items += 1;
        bytes += length;
    }
    if items > 0 {
        parts.push(items);
    }
    parts
}

#[derive(Deserialize)]
struct Item {
    result: Option<String>,
    error: Option<Exception>,
    #[serde(rename = "_seq_no")]
    seq_no: Option<u64>,
    #[serde(rename = "_primary_term")]
    primary_term: Option<u64>,
    #[serde(rename = "_version")]
    version: Option<u64>,
}

impl Item {
    fn numbers(&self) -> Option<OperationNumbers> {
        Some(OperationNumbers {
            seq_no: self.seq_no?,
            primary_term: self.primary_term?,
            version: self.version,
        })
    }

    /// Returns the result of the action; `None` if OpenSearch never returns such an item.
    fn into_result(self) -> Option<ActionResult> {
        if let Some(error) = self.error {
            return Some(if error.is("version_conflict_engine_exception") {
                ActionResult::Conflict
            } else if error.is("document_missing_exception") {
                ActionResult::NotFound(None)
            } else {
                ActionResult::Refused(error.root_reason().to_owned())
            });
        }
        match self.result.as_deref()? {
            "not_found" => Some(ActionResult::NotFound(self.numbers())),
            "created" | "updated" | "deleted" => Some(ActionResult::Done(self.numbers())),
            // The action changed nothing, so the response contains the numbers of an earlier
            // operation.
            "noop" => Some(ActionResult::Done(None)),
            _ => None,
        }
    }
}

impl DirectivesApi {
    /// Sends one part of a plan as a bulk request. If `refresh` is true, the request also makes all
    /// written documents visible to searches.
    pub(super) async fn bulk_part(
        &self,
        actions: &[String],
        refresh: bool,
    ) -> Result<Vec<ActionResult>, WriteError> {
        let path = BulkParts::Index(self.client.index()).url();
        let mut request = Request::new(Method::Post, path);
        if refresh {
            request = request.query("refresh", "true");
        }
        let request = request.body("application/x-ndjson", actions.concat());
        let operation = request.operation();
        let response: BulkResponse<Item> = self.json(request).await?;
        let items = response.results(actions.len(), operation.clone())?;
        let results: Option<Vec<ActionResult>> = items.into_iter().map(Item::into_result).collect();
        results.ok_or_else(|| malformed(operation, "the result of an action is unknown").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_large_as_allowed_and_contain_all_items_in_order() {
        let split = |lengths: &[usize]| parts(lengths.iter().copied(), 10);
        assert_eq!(split(&[]), [0_usize; 0]);
        assert_eq!(split(&[4, 6]), [2]);
        assert_eq!(split(&[4, 7, 3]), [1, 2]);
        assert_eq!(split(&[11, 1, 12]), [1, 1, 1]);
    }
}
