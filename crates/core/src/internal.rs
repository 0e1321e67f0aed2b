//! Shared by the crates of this project, which are released in lockstep. Not a part of the
//! public interface: it changes without notice.

pub use crate::lend;
pub use crate::publish::thread_cache::{Ending, Lend, Remembered};
pub use crate::publish::{HANDLES_MIN, Publication, Publish, Published, Publisher, publication};
pub use crate::set::Edit;
pub use crate::snapshot::SnapshotParts;
