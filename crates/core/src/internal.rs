//! Re-exports items for the other crates of this project, which are released in lockstep. They
//! are not a part of the public interface and change without notice.

pub use crate::hex::Hex;
pub use crate::publish::{Published, Publisher, publication};
pub use crate::set::Edit;
pub use crate::snapshot::SnapshotParts;
