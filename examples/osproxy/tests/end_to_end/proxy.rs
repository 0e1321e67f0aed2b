//! Starts the osproxy example with a real store, and collects the effects of directives, which are
//! spans, entries on the break-glass tape, and captures.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opensearch_directives::admin::{Client, DirectivesApi, Installer};
use opensearch_directives::{ClusterConfig, Config, OpenSearchDirectiveStore};
use opensearch_directives_osproxy::OsproxyDirectiveStore;
use osproxy_capture::{Capture, CaptureRecord};
use osproxy_core::SystemClock;
use osproxy_example::{Handler, Parts, handler};
use osproxy_observe::{DirectiveStore, SpanExporter};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const DEADLINE: Duration = Duration::from_mins(1);

/// The ids of the requests on which directives had one kind of effect, such as a span.
#[derive(Debug, Default)]
struct Seen(Mutex<HashSet<String>>);

impl Seen {
    fn note(&self, request_id: &str) {
        self.0.lock().unwrap().insert(request_id.to_owned());
    }

    fn has(&self, request_id: &str) -> bool {
        self.0.lock().unwrap().contains(request_id)
    }
}

struct Spans(Arc<Seen>);

impl SpanExporter for Spans {
    fn export(&self, payload: Value) {
        let span = &payload["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        let attributes = span["attributes"].as_array().unwrap();
        let id = attributes
            .iter()
            .find(|attribute| attribute["key"] == "osproxy.request.id")
            .unwrap();
        self.0.note(id["value"]["stringValue"].as_str().unwrap());
    }
}

struct Captures(Arc<Seen>);

impl Capture for Captures {
    fn capture(&self, record: &CaptureRecord<'_>) {
        self.0.note(record.request_id);
    }
}

/// The effects that directives had on one request, each of which is a span, an entry on the
/// break-glass tape, or a capture.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Effects {
    pub(crate) span: bool,
    pub(crate) tape: bool,
    pub(crate) capture: bool,
}

impl Effects {
    pub(crate) const NONE: Self = Self::all(false);
    pub(crate) const ALL: Self = Self::all(true);

    const fn all(given: bool) -> Self {
        Self {
            span: given,
            tape: given,
            capture: given,
        }
    }
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<OpenSearchDirectiveStore>,
    pub(crate) directives: Arc<dyn DirectiveStore>,
    pub(crate) writer: DirectivesApi,
    pub(crate) index: String,
    pub(crate) upstream: String,
    handler: Arc<Handler>,
    spans: Arc<Seen>,
    captures: Arc<Seen>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Proxy {
    /// Starts a proxy in front of the node at `OPENSEARCH_URL`, with a new index of directives.
    pub(crate) async fn start(name: &str, interval: Duration) -> Self {
        let upstream = std::env::var("OPENSEARCH_URL")
            .expect("OPENSEARCH_URL is set by scripts/test-osproxy")
            .trim_end_matches('/')
            .to_owned();
        let index = format!("directives-{name}-{}", std::process::id());
        let cluster = ClusterConfig::new([upstream.parse().unwrap()])
            .with_index(&index)
            .with_request_timeout(Duration::from_secs(30));
        let client = Client::new(&cluster).unwrap();
        Installer::new(client.clone()).install().await.unwrap();
        let config = Config::new(cluster)
            .with_interval(interval)
            .with_poll_timeout(Duration::from_secs(30));
        let store = Arc::new(OpenSearchDirectiveStore::start(config).await.unwrap());
        let clock = Arc::new(SystemClock);
        let directives = OsproxyDirectiveStore::start(Arc::clone(&store), clock).await;
        let directives: Arc<dyn DirectiveStore> = Arc::new(directives);

        let (spans, captures) = (Arc::<Seen>::default(), Arc::<Seen>::default());
        let handler = handler(Parts {
            upstream: upstream.clone(),
            directives: Arc::clone(&directives),
            exporter: Arc::new(Spans(Arc::clone(&spans))),
            capture: Some(Box::new(Captures(Arc::clone(&captures)))),
            tape: 1_000_000,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(osproxy_transport::serve(listener, Arc::clone(&handler)));
        Self {
            address,
            store,
            directives,
            writer: DirectivesApi::new(client),
            index,
            upstream,
            handler,
            spans,
            captures,
            serving,
        }
    }

    /// Polls the index, and waits until osproxy's directive set contains `count` directives.
    pub(crate) async fn has_directives(&self, count: usize) {
        self.store.refresh().await.unwrap();
        let deadline = Instant::now() + DEADLINE;
        while self.directives.load().len() != count {
            assert!(
                Instant::now() < deadline,
                "osproxy never has {count} directives"
            );
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Returns the ids of the requests on osproxy's break-glass tape.
    pub(crate) fn tape(&self) -> HashSet<String> {
        let tape = self.handler.pipeline().break_glass().snapshot();
        let id = |entry: &Value| entry["request_id"].as_str().unwrap().to_owned();
        tape.iter().map(id).collect()
    }

    /// Returns the effects that directives had on a request whose response has already arrived.
    pub(crate) fn effects(&self, request_id: &str, tape: &HashSet<String>) -> Effects {
        Effects {
            span: self.spans.has(request_id),
            tape: tape.contains(request_id),
            capture: self.captures.has(request_id),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
