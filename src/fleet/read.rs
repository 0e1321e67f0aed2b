//! Reads the reports of all instances. The module also reads the state of the index, with which the
//! reports are compared.

use opensearch::SearchParts;
use opensearch_directives_core::internal::visible_beginning;
use serde_json::{Map, Value, json};

use super::index_name;
use super::instance_report::{InstanceReport, MAX_CHARACTERS};
use super::instance_state::{Fleet, IndexPosition, UnreadableReport};
use crate::admin::{DirectivesApi, WriteError};
use crate::http::{Client, RequestError, RequestErrorKind, malformed};
use crate::rest::{
    HITS_PATH, Hit, PageSize, Probe, SearchResponse, Session, TOO_LARGE, search_for,
};

/// The maximum number of instances that one read returns.
const MAX_INSTANCES: usize = 50_000;
/// The maximum number of reports in one page. Instances write such small reports that a page with
/// this number of reports fits into the size limit of responses.
const PAGE_SIZE: usize = 200;
/// The maximum size of all reports that one read returns, in bytes of JSON.
pub(super) const MAX_BYTES: usize = 512 << 20;

/// The reports that were read so far.
#[derive(Debug, Default)]
pub(super) struct Reports {
    pub(super) readable: Vec<InstanceReport>,
    pub(super) unreadable: Vec<UnreadableReport>,
    pub(super) omitted: u64,
    /// The size of the reports that were read so far, in bytes of JSON.
    bytes: usize,
}

/// The end of a page of reports: the number of reports in the page, and the position at which the
/// next page begins.
struct PageEnd {
    /// The number of reports in the page.
    count: usize,
    /// The number of all reports in the fleet's index.
    total: u64,
    /// The sort values of the last report in the page, after which the next page begins.
    last: Option<Value>,
}

impl DirectivesApi {
    /// Reads the reports of all instances, and the state of the index with which the reports are
    /// compared. At most 50,000 reports and 512 MiB of reports are read.
    ///
    /// # Errors
    /// Returns an error if an index cannot be read completely. If the fleet's index does not exist,
    /// [`WriteError::is_not_found`] of the error returns true.
    pub async fn fleet(&self) -> Result<Fleet, WriteError> {
        // The state of the index is read before the reports, so that it does not contain operations
        // that are newer than the reports.
        let position = self.position().await?;
        let reports = self.reports(MAX_BYTES).await?;
        let now = self.now().await?;
        Ok(Fleet {
            reports: reports.readable,
            unreadable: reports.unreadable,
            omitted: reports.omitted,
            position,
            now,
        })
    }

    /// Reads all reports, page by page, in the order of their instances. A report that is replaced
    /// during the read keeps its position, so the pages need no common point in time.
    pub(super) async fn reports(&self, max_bytes: usize) -> Result<Reports, WriteError> {
        let client = self.client().with_index(&index_name(self.client().index()));
        let mut reports = Reports::default();
        let (mut size, mut after) = (PageSize::new(PAGE_SIZE), None);
        loop {
            let page = reports.read_page_that_fits(&client, &mut size, after.as_ref());
            let end = match page.await {
                Err(error) if error.is_index_not_found() => {
                    return Err(WriteError::no_fleet(client.index()));
                }
                page => page?,
            };
            let read = reports.readable.len() + reports.unreadable.len();
            if end.count < size.get() || read >= MAX_INSTANCES || reports.bytes >= max_bytes {
                reports.omitted = end.total.saturating_sub(read as u64);
                return Ok(reports);
            }
            after = end.last;
            size.grow();
        }
    }

    /// Reads the current state of the index.
    async fn position(&self) -> Result<IndexPosition, WriteError> {
        let session = self.session();
        let position = position_of(&session).await;
        session.close().await;
        match position {
            Ok(position) => Ok(position),
            Err(error) if error.is_index_not_found() => Err(self.no_index().await),
            Err(error) => Err(error),
        }
    }
}

impl Reports {
    /// Reads a page of at most `size` reports. If the response is larger than the size limit of
    /// responses, the method reads a smaller page instead. A single report that exceeds the size
    /// limit counts as unreadable.
    async fn read_page_that_fits(
        &mut self,
        client: &Client,
        size: &mut PageSize,
        after: Option<&Value>,
    ) -> Result<PageEnd, RequestError> {
        loop {
            match self.read_page(client, size.get(), after, true).await {
                Err(error) if error.kind() == RequestErrorKind::TooLarge => {
                    if !size.shrink() {
                        return self.read_page(client, 1, after, false).await;
                    }
                }
                other => return other,
            }
        }
    }

    /// Reads one page of reports, or only their ids if `with_content` is false.
    async fn read_page(
        &mut self,
        client: &Client,
        size: usize,
        after: Option<&Value>,
        with_content: bool,
    ) -> Result<PageEnd, RequestError> {
        let sorted_by = |field: &str| json!({ field: { "order": "asc", "missing": "_last" } });
        // The `_seq_no` is the second sort key, because a report that another tool has written may
        // lack the name of its instance.
        let sort = json!([sorted_by("instance"), { "_seq_no": "asc" }]);
        let mut body = Map::from_iter([("sort".to_owned(), sort)]);
        if let Some(after) = after {
            body.insert("search_after".to_owned(), after.clone());
        }
        if !with_content {
            let kind = json!({ "includes": ["kind"] });
            body.insert("_source".to_owned(), kind);
        }
        let path = SearchParts::Index(&[client.index()]).url();
        let request = search_for(&path, size, HITS_PATH, body);
        let operation = request.operation();
        let body = client.send(request).await?;
        let response: SearchResponse<'_> =
            serde_json::from_slice(&body).map_err(|error| malformed(operation.clone(), error))?;
        let complete = response.complete().map_err(|incomplete| {
            malformed(
                operation.clone(),
                format!("the reports are incomplete: {incomplete}"),
            )
        })?;
        let last = complete
            .search_after()
            .map_err(|error| malformed(operation, error))?;
        for hit in &complete.hits {
            if with_content {
                self.take(hit);
            } else {
                self.add_unreadable(hit, TOO_LARGE);
            }
        }
        Ok(PageEnd {
            count: complete.hits.len(),
            total: complete.total,
            last,
        })
    }

    pub(super) fn take(&mut self, hit: &Hit<'_>) {
        let source = hit.source.get();
        self.bytes += source.len();
        match serde_json::from_str::<InstanceReport>(source) {
            // No instance writes a report with a field out of bounds, so such a report counts as
            // unreadable. If the fields had no bounds, the reports of one writer could take all
            // memory of a reader.
            Ok(report) => match report.field_out_of_bounds() {
                None => self.readable.push(report),
                Some(field) => {
                    self.add_unreadable(hit, &format!("the field {field} is out of bounds"));
                }
            },
            Err(error) => self.add_unreadable(hit, &error.to_string()),
        }
    }

    fn add_unreadable(&mut self, hit: &Hit<'_>, reason: &str) {
        self.unreadable.push(UnreadableReport {
            instance: hit.id.clone().into_owned(),
            reason: visible_beginning(reason, MAX_CHARACTERS),
        });
    }
}

async fn position_of(session: &Session) -> Result<IndexPosition, WriteError> {
    let assigned = match session.probe().await? {
        Probe::Checkpoints(checkpoints) => Some(checkpoints),
        Probe::Unclear(_) | Probe::Unsupported(_) => None,
    };
    let index = session.resolve_index().await?;
    let summary = session.summary_of_primary(&index).await?;
    let of = summary.map(|summary| summary.of);
    Ok(IndexPosition {
        assigned_seq_no: assigned
            .filter(|checkpoints| checkpoints.uuid == index.uuid)
            .and_then(|checkpoints| checkpoints.max_seq_no()),
        index_uuid: index.uuid,
        documents: of.as_ref().map_or(u64::MAX, |of| of.documents),
        max_seq_no: of.as_ref().and_then(|of| of.max_seq_no),
        sum_seq_no: of.map(|of| of.sum_seq_no),
    })
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
