//! Examines a cluster for an operator: the permissions of the role, the shards, hidden documents,
//! snapshots and certificates.
//!
//! No request of the diagnosis changes the cluster. If the role does not permit the request of a
//! function, the function returns an error for which
//! [`is_refused`](crate::admin::WriteError::is_refused) is true.

mod caller;
mod certificates;
mod hidden_documents;
mod index_state;
mod permissions;
mod snapshots;

pub use caller::Caller;
pub use certificates::ServerCertificate;
pub use hidden_documents::Visibility;
pub use index_state::{IndexHealth, IndexState};
pub use permissions::Permission;
pub use snapshots::SnapshotState;
