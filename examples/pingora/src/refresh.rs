//! The background service that runs the refresher, which Pingora starts after the fork on a
//! separate tokio runtime.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use example_proxy::Recorder;
use opensearch_directives::Refresher;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) struct Refresh {
    /// The refresher that the service runs, or `None` after the service has started and taken the
    /// refresher.
    refresher: Mutex<Option<Refresher>>,
    recorder: Arc<Recorder>,
}

impl Refresh {
    pub(crate) fn new(refresher: Refresher, recorder: Arc<Recorder>) -> Self {
        Self {
            refresher: Mutex::new(Some(refresher)),
            recorder,
        }
    }

    /// Writes the lines of the recorder's ring buffer into the log whenever the process receives
    /// SIGUSR1.
    async fn dump_on_signal(&self) {
        match signal(SignalKind::user_defined1()) {
            Ok(mut dump) => {
                while dump.recv().await.is_some() {
                    self.recorder.dump();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "SIGUSR1 does not dump the ring buffer");
                std::future::pending::<()>().await;
            }
        }
    }
}

#[async_trait]
impl BackgroundService for Refresh {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let refresher = self
            .refresher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(refresher) = refresher else {
            return;
        };
        tokio::select! {
            () = refresher.run() => {}
            () = self.dump_on_signal() => {}
            _ = shutdown.changed() => {}
        }
    }
}
