//! Decodes reports of instances from a fuzz target, in the same way as `DirectivesApi::fleet` and
//! `Relay::accept`.

use jiff::Timestamp;

use super::read::Reports;
use super::{Fleet, IndexPosition, InstanceReport, relay};
use crate::rest::SearchResponse;

/// Decodes the response to the search for reports. Returns the reports, together with a state of
/// the index with which they can be compared. Returns `None` if the response cannot be decoded or
/// is not complete.
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
            sum_seq_no: Some(17),
        },
        now: Timestamp::UNIX_EPOCH,
    })
}

/// Decodes the reports that a client sends to the agent `own`.
///
/// # Errors
/// Returns the reason why the agent does not accept the reports.
pub fn relayed_reports(
    json: &[u8],
    own: &str,
    now: Timestamp,
) -> Result<Vec<InstanceReport>, String> {
    relay::decode(json, own, now).map_err(|error| error.to_string())
}
