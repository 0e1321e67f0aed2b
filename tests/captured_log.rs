//! Collects the log lines that the library writes on the thread of a test.

use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

/// A log writer that collects all lines in memory. All clones of one `Log` share the collected
/// lines.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    pub(crate) fn lines_with(&self, text: &str) -> usize {
        self.lines_with_all(&[text])
    }

    /// Returns the number of collected log lines that contain all strings in `texts`.
    pub(crate) fn lines_with_all(&self, texts: &[&str]) -> usize {
        let log = self.text();
        let lines = log.lines();
        lines
            .filter(|line| texts.iter().all(|text| line.contains(text)))
            .count()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}
