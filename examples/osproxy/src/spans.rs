//! Prints the span of each request that osproxy records, so that the user sees the effect of a
//! directive.

use osproxy_observe::SpanExporter;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

/// The maximum number of spans that wait until they are printed. If the maximum is reached, the
/// exporter drops new spans.
const WAITING: usize = 1024;

/// A span exporter that prints each span to standard output as one line of JSON.
#[derive(Debug)]
pub struct PrintedSpans {
    lines: mpsc::Sender<String>,
}

impl PrintedSpans {
    /// Starts the task that prints the spans, and returns the exporter that sends spans to this
    /// task.
    ///
    /// # Panics
    /// Panics if the caller does not run in a tokio runtime.
    #[must_use]
    pub fn start() -> Self {
        let (lines, mut waiting) = mpsc::channel::<String>(WAITING);
        tokio::spawn(async move {
            let mut output = tokio::io::stdout();
            while let Some(line) = waiting.recv().await {
                // When standard output is closed, the printing task ends, and the proxy continues
                // without printing spans.
                if output.write_all(line.as_bytes()).await.is_err() || output.flush().await.is_err()
                {
                    return;
                }
            }
        });
        Self { lines }
    }
}

impl SpanExporter for PrintedSpans {
    fn export(&self, payload: Value) {
        let span = &payload["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        let line = json!({
            "span": span["name"],
            "tenant": attribute(span, "osproxy.partition.id"),
            "request_id": attribute(span, "osproxy.request.id"),
        });
        // The exporter uses `try_send`, because it runs on the request path and must not wait.
        let _ = self.lines.try_send(format!("{line}\n"));
    }
}

/// Returns the string attribute `key` of an OTLP span, or `Null` if the span does not have it.
fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    span["attributes"]
        .as_array()
        .and_then(|all| all.iter().find(|attribute| attribute["key"] == key))
        .map_or(&Value::Null, |found| &found["value"]["stringValue"])
}
