//! The code that the axum example and the Pingora example share. You can copy the files of this
//! crate into a proxy of your own.

mod guard;
mod recorder;
mod request_id;
mod settings;

pub use guard::{FORBIDDEN_BODY, is_protected};
pub use recorder::{Recorder, Recording};
pub use request_id::{X_REQUEST_ID, ensure_request_id};
pub use settings::{Settings, evaluator};
