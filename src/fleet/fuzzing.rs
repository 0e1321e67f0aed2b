//! Decodes reports that a fuzz target generates, in the same way as `DirectivesApi::fleet`.

use jiff::Timestamp;

use super::read::Reports;
use super::{Fleet, IndexPosition};
use crate::rest::SearchResponse;

/// Decodes the response to the search for reports. Returns the reports, together with a state of
/// the index with which they can be compared. Returns `None` if the response is not complete.
#[must_use]
pub fn fleet_reports(body: &[u8]) -> Option<Fleet> {
    let response: SearchResponse<'_> = serde_json::from_slice(body).ok()?;
    let mut reports = Reports::default();
    for hit in response.complete().ok()?.hits {
        reports.take(&hit);
    }
    Some(Fleet {
        reports: reports.readable,
        unreadable: reports.unreadable,
        omitted: reports.omitted,
        position: IndexPosition {
            index_uuid: "u".to_owned(),
            assigned_seq_no: Some(u64::MAX),
            max_seq_no: Some(9),
            documents: 3,
            sum_seq_no: 17.0,
        },
        now: Timestamp::UNIX_EPOCH,
    })
}
