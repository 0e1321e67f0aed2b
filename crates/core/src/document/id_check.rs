//! Checks that OpenSearch accepts a directive's id, and that the id can be a segment of a URL path.

use super::rejection::{Fault, RejectionReason as Reason};

/// The maximum length of an `_id` in OpenSearch, in bytes.
const MAX_BYTES: usize = 512;

/// Refuses an id that OpenSearch does not accept, or that cannot be a segment of a URL path.
///
/// URL parsers remove tabs and line breaks from a path, and resolve the segments `.` and `..`. A
/// request for a document whose id contains a tab or a line break, or is `.` or `..`, would
/// therefore address another document.
pub(super) fn check(id: &str) -> Result<(), Fault> {
    let is_dots = matches!(id, "." | "..");
    if id.is_empty() || id.len() > MAX_BYTES || is_dots || id.contains(char::is_control) {
        return Err(Fault::new("id", &format!("{id:?}"), Reason::NotAnId));
    }
    Ok(())
}
