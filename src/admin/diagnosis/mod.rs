//! Examines a cluster for an operator: the permissions of the user's role, the shards, hidden
//! documents, snapshots and certificates.
//!
//! No request of the diagnosis changes the cluster. If the user's role does not permit a request,
//! the function that sends the request returns an error for which
//! [`is_refused`](crate::admin::WriteError::is_refused) returns true.

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
