//! For each request, records the data that the applied directives ask for. The recorder costs a
//! request nothing if no directive applies to it, because the proxy then creates no [`Recording`].
//!
//! | decision | what is recorded |
//! |---|---|
//! | `Shape` | one log line with ids, names, sizes and the status |
//! | `ShapeTiming` | also the times until the header and until the end of the response arrived |
//! | `ShapeRewriteDiff` | also the names of the headers that the proxy changed, never values |
//! | `ring_buffer` | the line, in a ring buffer in memory; SIGUSR1 writes it into the log |
//! | `capture` | the beginning of each body, in the log (a product would use a capture sink) |

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use opensearch_directives::DiagLevel;
use opensearch_directives::tower::AppliedDirectives;
use tokio::time::Instant;

/// The maximum number of lines in the ring buffer, whose oldest line is dropped when a new one is
/// added.
const RING_LINES: usize = 256;
/// The maximum number of bytes at the beginning of a body that the recorder captures.
const CAPTURED_BYTES: usize = 4096;

/// Creates the recordings of requests, and owns the ring buffer for their log lines.
#[derive(Debug, Default)]
pub struct Recorder {
    ring: Mutex<VecDeque<String>>,
}

impl Recorder {
    /// Begins to record a request to which at least one directive applies.
    #[must_use]
    pub fn start(self: &Arc<Self>, applied: &AppliedDirectives, request: &Parts) -> Recording {
        let id = request.headers.get(super::X_REQUEST_ID);
        Recording(Arc::new(Mutex::new(Record {
            recorder: Arc::clone(self),
            applied: applied.clone(),
            request_id: String::from_utf8_lossy(id.map_or(b"", |id| id.as_bytes())).into_owned(),
            method: request.method.to_string(),
            path: request.uri.path().to_owned(),
            started: Instant::now(),
            responded_after: None,
            status: None,
            changed_headers: String::new(),
            request: Observed::default(),
            response: Observed::default(),
        })))
    }

    /// Writes the lines of the ring buffer into the log, the oldest line first.
    pub fn dump(&self) {
        for line in self.ring().iter() {
            tracing::info!(target: "ring_buffer", "{line}");
        }
    }

    fn ring(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle to the record of one request. The recorder writes the record when the last clone of the
/// handle is dropped. A proxy attaches one clone of the handle to the body of the request, and
/// another clone to the body of the response.
#[derive(Clone, Debug)]
pub struct Recording(Arc<Mutex<Record>>);

impl Recording {
    /// Records the names of the request headers that the proxy added, removed or changed, if the
    /// directives ask for them.
    pub fn rewritten(&self, before: &HeaderMap, after: &HeaderMap) {
        let mut record = self.record();
        if record.applied.decision().level < DiagLevel::ShapeRewriteDiff {
            return;
        }
        for name in after.keys() {
            if !before.contains_key(name) {
                let _ = write!(record.changed_headers, " +{name}");
            } else if !before.get_all(name).iter().eq(after.get_all(name)) {
                let _ = write!(record.changed_headers, " ~{name}");
            }
        }
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            let _ = write!(record.changed_headers, " -{name}");
        }
    }

    /// Counts the bytes of a part of the request's body, and keeps them if the directives capture
    /// the request.
    pub fn request_data(&self, data: &Bytes) {
        let mut record = self.record();
        let captures = record.applied.decision().capture;
        record.request.add(data, captures);
    }

    /// Records the status of the response, and the time at which the response arrived from
    /// OpenSearch.
    pub fn responded(&self, status: StatusCode) {
        let mut record = self.record();
        record.status = Some(status);
        record.responded_after = Some(record.started.elapsed());
    }

    /// Counts the bytes of a part of the response's body, and keeps them if the directives capture
    /// the request.
    pub fn response_data(&self, data: &Bytes) {
        let mut record = self.record();
        let captures = record.applied.decision().capture;
        record.response.add(data, captures);
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Record {
    recorder: Arc<Recorder>,
    applied: AppliedDirectives,
    request_id: String,
    method: String,
    path: String,
    started: Instant,
    responded_after: Option<Duration>,
    /// The status of the response, or `None` if the client disconnected before the response
    /// arrived.
    status: Option<StatusCode>,
    changed_headers: String,
    request: Observed,
    response: Observed,
}

/// The number of bytes of a body that the proxy has forwarded, and the beginning of the body if the
/// directives capture it.
#[derive(Debug, Default)]
struct Observed {
    bytes: usize,
    beginning: Vec<u8>,
}

impl Observed {
    fn add(&mut self, data: &Bytes, captures: bool) {
        self.bytes += data.len();
        if captures {
            let room = CAPTURED_BYTES - self.beginning.len();
            self.beginning.extend(data.iter().take(room));
        }
    }
}

impl Record {
    /// Returns the record as one log line, with quotes around strings from the client, so that such
    /// a string cannot imitate a field of the record.
    fn line(&self) -> String {
        let decision = self.applied.decision();
        let mut line = format!(
            "level={} ring_buffer={} capture={} directives={:?}{} request_id={:?} method={} \
             path={:?} status={} request_bytes={} response_bytes={}",
            decision.level,
            decision.ring_buffer,
            decision.capture,
            self.applied.ids().collect::<Vec<_>>(),
            if self.applied.has_more() { "+" } else { "" },
            self.request_id,
            self.method,
            self.path,
            self.status.as_ref().map_or("none", StatusCode::as_str),
            self.request.bytes,
            self.response.bytes,
        );
        if decision.level >= DiagLevel::ShapeTiming {
            let head = self.responded_after.unwrap_or_default().as_micros();
            let total = self.started.elapsed().as_micros();
            let _ = write!(line, " header_after_us={head} end_after_us={total}");
        }
        if decision.level >= DiagLevel::ShapeRewriteDiff {
            let _ = write!(
                line,
                " headers_changed=\"{}\"",
                self.changed_headers.trim_start()
            );
        }
        line
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let decision = self.applied.decision();
        let line = self.line();
        if decision.capture {
            tracing::info!(
                target: "capture",
                request_id = ?self.request_id,
                request_body = ?String::from_utf8_lossy(&self.request.beginning),
                response_body = ?String::from_utf8_lossy(&self.response.beginning),
            );
        }
        if decision.level > DiagLevel::Off {
            tracing::info!(target: "record", "{line}");
        }
        if decision.ring_buffer {
            let mut ring = self.recorder.ring();
            if ring.len() == RING_LINES {
                ring.pop_front();
            }
            ring.push_back(line);
        }
    }
}
