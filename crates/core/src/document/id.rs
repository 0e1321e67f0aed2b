//! Which ids a directive may have: those that an index takes and that a URL path can carry.

use super::rejection::{Fault, RejectionReason as Reason};

/// The longest `_id` that OpenSearch takes, in bytes.
const MAX_BYTES: usize = 512;

/// Refuses an id that no request could address.
///
/// URL parsers drop a tab or a line break from a path and resolve `.` and `..`, so a request
/// for such an id would reach another document.
pub(super) fn check(id: &str) -> Result<(), Fault> {
    let is_dots = matches!(id, "." | "..");
    if id.is_empty() || id.len() > MAX_BYTES || is_dots || id.contains(char::is_control) {
        return Err(Fault::new("id", &format!("{id:?}"), Reason::NotAnId));
    }
    Ok(())
}
