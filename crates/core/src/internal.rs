//! Re-exports items for the other crates of this project. All crates of this project have the same
//! version. The items in this module are not a part of the public interface and can change in every
//! release.

pub use crate::document::reject_signatures;
pub use crate::hex::{Hex, from_hex};
pub use crate::hits::{HitCounters, HitTotals};
pub use crate::publish::{Published, Publisher, publication};
pub use crate::set::{Edit, Order};
pub use crate::snapshot::{DeltaBase, SignatureTable, SnapshotChanges, SnapshotParts};
pub use crate::visible_text::{is_invisible, visible, visible_beginning};
