//! Spans for people to see.

use osproxy_observe::SpanExporter;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

/// How many spans may wait to be printed; more are dropped, as by every exporter.
const WAITING: usize = 1024;

/// Prints each span to the standard output, one JSON object a line.
#[derive(Debug)]
pub struct PrintedSpans {
    lines: mpsc::Sender<String>,
}

impl PrintedSpans {
    /// Starts the task that prints.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start() -> Self {
        let (lines, mut waiting) = mpsc::channel::<String>(WAITING);
        tokio::spawn(async move {
            let mut output = tokio::io::stdout();
            while let Some(line) = waiting.recv().await {
                // Whoever read them is gone; requests go on.
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
        // Never waits: this is the request path.
        let _ = self.lines.try_send(format!("{line}\n"));
    }
}

/// A text among the attributes of an OTLP span.
fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    span["attributes"]
        .as_array()
        .and_then(|all| all.iter().find(|attribute| attribute["key"] == key))
        .map_or(&Value::Null, |found| &found["value"]["stringValue"])
}
