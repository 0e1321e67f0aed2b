//! Re-exports items for the other crates of this project. All crates of this project are released
//! together, with the same version. This module is not a part of the public interface, so its items
//! can change in every release.

pub use crate::document::{MAX_SIGNATURES, reject_signatures};
pub use crate::hex::{Hex, from_hex};
pub use crate::hits::{HitCounters, HitTotals};
pub use crate::publish::{Published, Publisher, publication};
pub use crate::set::{Edit, Order};
pub use crate::snapshot::{DeltaBase, SignatureTable, SnapshotChanges, SnapshotParts};
pub use crate::visible_text::{is_invisible, visible, visible_beginning};
