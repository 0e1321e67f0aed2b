//! Exports the samples of one or more stores as Prometheus metrics.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::metric_samples::hits::by_directive;
use crate::metric_samples::{Sample, SampleKind};
use crate::store::OpenSearchDirectiveStore;

/// Collects the [samples](OpenSearchDirectiveStore::samples) of stores whenever Prometheus requests
/// the metrics.
///
/// The collector does not keep a store alive. The collector exports no samples of a store that was
/// dropped.
///
/// ```
/// # use std::sync::Arc;
/// use opensearch_directives::prometheus_client::registry::Registry;
/// use opensearch_directives::{OpenSearchDirectiveStore, StatusCollector};
///
/// fn register(store: &Arc<OpenSearchDirectiveStore>, registry: &mut Registry) {
///     registry.register_collector(Box::new(StatusCollector::new(store)));
/// }
///
/// /// Several stores in one registry need a label that distinguishes them.
/// fn register_both(stores: [&Arc<OpenSearchDirectiveStore>; 2], registry: &mut Registry) {
///     let collector = StatusCollector::default()
///         .with_store([("cluster", "eu")], stores[0])
///         .with_store([("cluster", "us")], stores[1]);
///     registry.register_collector(Box::new(collector));
/// }
/// ```
#[derive(Debug, Default)]
pub struct StatusCollector {
    stores: Vec<LabelledStore>,
    /// The collector exports the counts of at most this many directives of each store as separate
    /// series.
    series_by_directive: usize,
}

type Labels = Vec<(String, String)>;

#[derive(Debug)]
struct LabelledStore {
    labels: Labels,
    store: Weak<OpenSearchDirectiveStore>,
}

impl StatusCollector {
    /// Creates a collector of one store, without labels.
    #[must_use]
    pub fn new(store: &Arc<OpenSearchDirectiveStore>) -> Self {
        Self::default().with_store([] as [(&str, &str); 0], store)
    }

    /// Adds a store with the given labels. All stores must have the same label names, and no two
    /// stores may have the same label values.
    #[must_use]
    pub fn with_store<K: Into<String>, V: Into<String>>(
        mut self,
        labels: impl IntoIterator<Item = (K, V)>,
        store: &Arc<OpenSearchDirectiveStore>,
    ) -> Self {
        let labels = labels.into_iter();
        self.stores.push(LabelledStore {
            labels: labels
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            store: Arc::downgrade(store),
        });
        self
    }
}

impl StatusCollector {
    /// Makes the collector also export the counts of single directives, with the label `directive`.
    /// For each store, the collector exports the counts of at most `limit` directives, in the order
    /// of their ids. The store counts the matches of each directive only if it [counts
    /// hits](crate::Config::with_hit_counts). For each directive, the collector exports two series
    /// until the directive leaves the set.
    ///
    /// | metric | type | meaning |
    /// |---|---|---|
    /// | `directives_matched_by_directive_total{directive}` | counter | requests that the directive matched |
    /// | `directives_sampled_by_directive_total{directive}` | counter | those that were in its sample |
    /// | `directives_without_series` | gauge | directives that have no series because of the limit |
    #[must_use]
    pub fn with_series_by_directive(mut self, limit: usize) -> Self {
        self.series_by_directive = limit;
        self
    }

    fn samples(&self, store: &OpenSearchDirectiveStore) -> Vec<Sample> {
        let mut samples = store.samples();
        if self.series_by_directive > 0
            && let Some(hits) = store.hits()
        {
            samples.extend(by_directive(&hits, self.series_by_directive));
        }
        samples
    }
}

/// All samples of one metric, each with its labels.
#[derive(Debug, Default)]
struct Family(Vec<(Labels, Sample)>);

impl Collector for StatusCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for Family(samples) in self.families() {
            let Some((_, first)) = samples.first() else {
                continue;
            };
            let kind = match first.kind {
                SampleKind::Counter => MetricType::Counter,
                SampleKind::Gauge => MetricType::Gauge,
            };
            // The encoder itself appends the suffix `_total` to the names of counters, so the code
            // removes the suffix here.
            let name = first.name.strip_suffix("_total").unwrap_or(first.name);
            let mut family = encoder.encode_descriptor(name, first.help, None, kind)?;
            for (labels, sample) in &samples {
                if labels.is_empty() {
                    // A sample without a label is the only sample of its metric, so the loop can
                    // end.
                    encode_value(sample, family)?;
                    break;
                }
                encode_value(sample, family.encode_family(labels)?)?;
            }
        }
        Ok(())
    }
}

impl StatusCollector {
    /// Returns the samples of all stores, grouped by metric, because the Prometheus format permits
    /// only one description for each metric.
    fn families(&self) -> Vec<Family> {
        let mut families: Vec<Family> = Vec::new();
        let mut position_of = HashMap::new();
        for LabelledStore { labels, store } in &self.stores {
            let Some(store) = store.upgrade() else {
                continue;
            };
            for sample in self.samples(&store) {
                let position = *position_of.entry(sample.name).or_insert_with(|| {
                    families.push(Family::default());
                    families.len() - 1
                });
                let mut labels = labels.clone();
                let label = sample.label.clone();
                labels.extend(label.map(|(name, value)| (name.to_owned(), value)));
                families[position].0.push((labels, sample));
            }
        }
        families
    }
}

fn encode_value(sample: &Sample, encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
    match sample.kind {
        SampleKind::Counter => ConstCounter::new(sample.value).encode(encoder),
        SampleKind::Gauge => ConstGauge::new(sample.value).encode(encoder),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::{Config, Refresher};

    fn store() -> (Arc<OpenSearchDirectiveStore>, Refresher) {
        let config = Config::for_url("http://127.0.0.1:9200".parse().unwrap());
        let (store, refresher) = OpenSearchDirectiveStore::build(config).unwrap();
        (Arc::new(store), refresher)
    }

    fn exported(collector: StatusCollector) -> impl Fn() -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(collector));
        move || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text
        }
    }

    #[test]
    fn several_stores_share_a_registry_and_none_is_kept_alive() {
        let ((eu, _one), (us, _other)) = (store(), store());
        let collector = StatusCollector::default()
            .with_store([("cluster", "eu")], &eu)
            .with_store([("cluster", "us")], &us);
        let export = exported(collector);
        let text = export();
        for line in [
            "directives_refresher{cluster=\"eu\",state=\"not_started\"} 1.0\n",
            "directives_refresher{cluster=\"us\",state=\"not_started\"} 1.0\n",
            "directives_publishes_total{cluster=\"us\"} 0.0\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
            assert_eq!(text.matches(line).count(), 1, "{line}");
        }
        drop(eu);
        let text = export();
        assert!(!text.contains("\"eu\""), "{text}");
        assert!(text.contains("\"us\""), "{text}");
        drop(us);
        assert_eq!(export(), "# EOF\n");
    }

    #[test]
    fn the_metrics_of_one_store_need_no_label() {
        let (store, _refresher) = store();
        let text = exported(StatusCollector::new(&store))();
        assert!(text.contains("directives_published 0.0\n"), "{text}");
        assert!(text.contains("directives_polls_total{result=\"success\"} 0.0\n"));
        assert!(text.contains("directives_build_info{version="));
    }
}
