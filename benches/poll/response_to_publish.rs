//! Reads the tracing events of a store to record when the store received its last search response,
//! and when the store last published a set.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// The instant at which the store received its last search response, and the instant at which the
/// store last published a set.
#[derive(Clone, Default)]
pub struct Spans(Arc<Mutex<(Option<Instant>, Option<Instant>)>>);

impl Spans {
    pub fn install() -> Self {
        let spans = Self::default();
        let only_ours = tracing_subscriber::filter::Targets::new()
            .with_target("opensearch_directives", tracing::Level::DEBUG);
        tracing_subscriber::registry()
            .with(spans.clone().with_filter(only_ours))
            .init();
        spans
    }

    pub fn forget(&self) {
        *self.0.lock().expect("no panic") = (None, None);
    }

    pub fn response_to_publish(&self) -> Duration {
        match *self.0.lock().expect("no panic") {
            (Some(response), Some(publish)) => publish.duration_since(response),
            _ => panic!("nothing was published"),
        }
    }
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!("{value:?} "));
    }
}

impl<S: Subscriber> Layer<S> for Spans {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let mut seen = self.0.lock().expect("no panic");
        if text.0.contains("a node responded") && text.0.contains("_search") {
            seen.0 = Some(Instant::now());
        } else if text.0.contains("publishing") {
            seen.1 = Some(Instant::now());
        }
    }
}
