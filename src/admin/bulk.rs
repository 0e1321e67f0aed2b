//! Sends a list of bulk actions in requests of limited size, and decodes the result of each action.

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

/// The result that the cluster reports for one action of a bulk request.
#[derive(Debug)]
pub(super) enum ActionResult {
    /// The bulk action succeeded. A bulk action that changed nothing is no operation, so it has no
    /// operation numbers.
    Done(Option<OperationNumbers>),
    /// OpenSearch reported that the document of the bulk action does not exist. The cluster assigns
    /// a `_seq_no` even to the deletion of a document that does not exist.
    NotFound(Option<OperationNumbers>),
    /// The action was not executed, because the stored document does not have the version that the
    /// action requires.
    Conflict,
    /// The cluster refused the bulk action; the string is the reason.
    Refused(String),
}

/// Divides a list of items, such as bulk actions, into consecutive parts of at most `limit` bytes,
/// and returns the number of items in each part. An item that is longer than `limit` becomes a part
/// of its own.
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

    /// Decodes the result of a bulk action from its item in the response; `None` if the item has a
    /// form that OpenSearch never returns.
    fn into_result(self) -> Option<ActionResult> {
        if let Some(error) = self.error {
            return Some(if error.is("version_conflict_engine_exception") {
                ActionResult::Conflict
            } else if error.is("document_missing_exception") {
                ActionResult::NotFound(None)
            } else {
                ActionResult::Refused(error.root_reason())
            });
        }
        match self.result.as_deref()? {
            "not_found" => Some(ActionResult::NotFound(self.numbers())),
            "created" | "updated" | "deleted" => Some(ActionResult::Done(self.numbers())),
            // For a bulk action that changed nothing, the response contains the numbers of an
            // earlier operation, so the code ignores these numbers.
            "noop" => Some(ActionResult::Done(None)),
            _ => None,
        }
    }
}

impl DirectivesApi {
    /// Sends some of the planned bulk actions as one bulk request. If `refresh` is true, the
    /// cluster also refreshes the index, so that searches find all documents written so far.
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
