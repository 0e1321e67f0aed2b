//! Shared by the crates of this project, which are released in lockstep. Not a part of the
//! public interface: it changes without notice.

pub use crate::hex::Hex;
pub use crate::publish::{Published, Publisher, publication};
pub use crate::set::Edit;
pub use crate::snapshot::SnapshotParts;
