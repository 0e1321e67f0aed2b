//! What the axum and the Pingora example have in common, so that both behave in the same way. A
//! proxy of your own can copy these files.

mod guard;
mod recorder;
mod request_id;
mod settings;

pub use guard::{FORBIDDEN_BODY, is_protected};
pub use recorder::{Recorder, Recording};
pub use request_id::{X_REQUEST_ID, ensure_request_id};
pub use settings::{Settings, evaluator};
