//! Starts many instances of a fleet in the process of the benchmark, and stops or kills them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use opensearch_directives::admin::{Client, Installer};
use opensearch_directives::fleet::{InstanceKind, Reporter};
use opensearch_directives::{Config, OpenSearchDirectiveStore, Subscription};
use test_support::measure::benchmark_cluster::{Cluster, INDEX};
use tokio::task::JoinHandle;

/// Deletes and installs the index of the fleet, the history of the directives and the history of
/// the fleet, so that all three are empty.
pub async fn install(cluster: &Cluster) {
    for path in [
        format!("{INDEX}-fleet"),
        format!("_data_stream/{INDEX}-history"),
        format!("_data_stream/{INDEX}-fleet-history"),
    ] {
        cluster.delete_index(&path).await;
    }
    let installer = Installer::new(Client::new(&cluster.config()).expect("a client"));
    installer.install_history(None).await.expect("a history");
    installer.install_fleet(None).await.expect("a fleet");
}

/// The instances of the benchmark, each with the tasks that poll the index and write the reports.
pub struct Instances(Vec<Instance>);

struct Instance {
    name: String,
    store: OpenSearchDirectiveStore,
    tasks: Vec<JoinHandle<()>>,
}

impl Instances {
    /// Starts `number` instances, of which the first `recorders` record the history of the index.
    /// If `heartbeat` is given, each instance writes reports to the fleet at this interval.
    pub fn start(
        cluster: &Cluster,
        number: usize,
        recorders: usize,
        interval: Duration,
        heartbeat: Option<Duration>,
    ) -> Self {
        let start = |number: usize| {
            let name = format!("proxy-{number:03}");
            let config = Config::new(cluster.config())
                .with_interval(interval)
                .with_poll_timeout(Duration::from_mins(2))
                .with_record_history(number < recorders)
                .with_instance(&name);
            let (store, refresher) = OpenSearchDirectiveStore::build(config).expect("a store");
            let mut tasks = vec![tokio::spawn(refresher.run())];
            if let Some(heartbeat) = heartbeat {
                let reporter = Reporter::new(&store, &cluster.config()).expect("a reporter");
                let reporter = reporter
                    .with_kind(InstanceKind::Agent)
                    .with_interval(heartbeat);
                tasks.push(tokio::spawn(reporter.run()));
            }
            Instance { name, store, tasks }
        };
        Self((0..number).map(start).collect())
    }

    /// Waits until each instance has read the index for the first time.
    pub async fn until_ready(&self) {
        let ready = self
            .0
            .iter()
            .map(|one| one.store.ready(Duration::from_mins(10)));
        for result in join_all(ready).await {
            result.expect("a set");
        }
    }

    /// Returns a future that waits until every instance has published a change after the call of
    /// this function. The future returns the instant at which the last instance has published.
    pub fn until_changed(&self) -> impl Future<Output = Instant> + use<> {
        let subscriptions: Vec<Subscription> =
            self.0.iter().map(|one| one.store.subscribe()).collect();
        let changed = subscriptions.into_iter().map(async |mut subscription| {
            subscription.changed().await.expect("a change");
        });
        let changed = join_all(changed);
        async move {
            changed.await;
            Instant::now()
        }
    }

    /// Ends the tasks of the last `number` instances, so that these instances write no further
    /// report. Returns the names of the killed instances.
    pub fn kill(&mut self, number: usize) -> Vec<String> {
        let killed = self.0.iter().rev().take(number);
        let killed = killed.map(|instance| {
            instance.tasks.iter().for_each(JoinHandle::abort);
            instance.name.clone()
        });
        killed.collect()
    }

    /// Ends the tasks of all instances, and waits until all of them have ended.
    pub async fn stop(self) {
        for instance in &self.0 {
            instance.tasks.iter().for_each(JoinHandle::abort);
        }
        for task in self.0.into_iter().flat_map(|one| one.tasks) {
            // The function ignores the result of the task, because an aborted task always returns
            // an error.
            let _ = task.await;
        }
    }
}
