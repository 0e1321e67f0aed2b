//! Measures how fast one agent notifies many clients that long-poll for a change. The clients of
//! the agent either read the listing of its directives, or read differences between its snapshots
//! like agents behind a hub.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::agent_process::{Agent, Response};
use test_support::measure::benchmark_cluster::Cluster;
use test_support::measure::{median, millis};

/// The number of clients that read the listing of the agent's directives. Another measurement has
/// [`FOLLOWERS`] clients, which behave like agents behind a hub.
const CLIENTS: usize = 500;
const FOLLOWERS: usize = 2_000;
const INTERVAL: Duration = Duration::from_secs(1);
/// The duration of one measurement, in which the agent polls a change, sends it to all clients, and
/// receives the next request of each client.
const WINDOW: Duration = Duration::from_secs(6);
const WINDOWS: usize = 5;
/// How long the benchmark waits for the next response of the agent to any client.
const PATIENCE: Duration = Duration::from_mins(1);

/// The processor time, the memory and the latency with which an agent serves a given number of
/// clients.
struct Cost {
    /// The processor time that the agent uses per second while nothing changes.
    quiet: Duration,
    /// The processor time that the agent uses for one change, in addition to `quiet`.
    change: Duration,
    resident: u64,
    /// The times from the agent's publish of a change until the first, the median and the last
    /// client had received the change.
    received: Option<[Duration; 3]>,
}

pub async fn measure(cluster: &Cluster) {
    println!("### {CLIENTS} clients that wait on one agent\n");
    println!(
        "The agent polls every {INTERVAL:?}. CPU time is that of the agent only, as the median of \
         {WINDOWS} windows of {WINDOW:?}. The CPU time of a change is the difference between a window \
         with a change and a window without: the agent reads the change, sends the responses, and \
         receives the next requests. Times run from the publish (`last_change` of the status) until \
         a client has the whole response. All clients are in one process, on the same machine as \
         the agent and the cluster.\n"
    );
    print_header("clients");
    for directives in [10, 1_000] {
        cluster.fill(directives).await;
        let agent = Agent::start(cluster.url().as_str(), INTERVAL, &[]);
        let (responses, mut received) = mpsc::unbounded_channel();
        let probe = agent.follow(responses.clone());
        let bytes = received.recv().await.expect("a listing").listing.len();
        probe.abort();
        let mut crowd = Crowd {
            cluster,
            agent,
            responses,
            received,
            clients: Vec::new(),
        };
        for clients in [0, CLIENTS] {
            crowd.grow(clients).await;
            row(directives, bytes, clients, &crowd.cost().await);
        }
    }
    println!();
    measure_hub(cluster).await;
}

fn print_header(clients: &str) {
    println!(
        "| directives | response | {clients} | resident memory | CPU a second, waiting | CPU, one \
         change | first | median | last |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
}

async fn measure_hub(cluster: &Cluster) {
    println!("### {FOLLOWERS} agents behind one hub\n");
    println!(
        "This table is like the previous one, but each client sends the requests of an agent with \
         `--upstream agent`: `/v1/snapshot?since=TAG&wait=60s`. The response to a change contains only the \
         differences.\n"
    );
    print_header("agents");
    for directives in [1_000, 100_000] {
        cluster.fill(directives).await;
        let flags = ["--max-waiting", "4096", "--request-timeout", "60s"];
        let flags = [flags.as_slice(), &["--poll-timeout", "120s"]].concat();
        let agent = Agent::start(cluster.url().as_str(), INTERVAL, &flags);
        let (responses, received) = mpsc::unbounded_channel();
        let mut crowd = Crowd {
            cluster,
            agent,
            responses,
            received,
            clients: Vec::new(),
        };
        crowd.grow_hub(1).await;
        cluster.write("d-000000", "first").await;
        let bytes = crowd.response().await.listing.len();
        for agents in [1, FOLLOWERS] {
            crowd.grow_hub(agents).await;
            row(directives, bytes, agents, &crowd.cost().await);
        }
    }
    println!();
}

fn row(directives: usize, bytes: usize, clients: usize, cost: &Cost) {
    let received = cost.received.map_or_else(
        || " – | – | – ".to_owned(),
        |times| {
            times
                .map(|time| format!(" {:.1} ms ", millis(time)))
                .join("|")
        },
    );
    println!(
        "| {directives} | {bytes} B | {clients} | {} KiB | {:.2} ms | {:.1} ms |{received}|",
        cost.resident / 1024,
        millis(cost.quiet),
        millis(cost.change),
    );
}

/// An agent and the clients that wait for changes of its directives.
struct Crowd<'a> {
    cluster: &'a Cluster,
    agent: Agent,
    responses: mpsc::UnboundedSender<Response>,
    received: mpsc::UnboundedReceiver<Response>,
    clients: Vec<JoinHandle<()>>,
}

impl Crowd<'_> {
    /// Starts clients of the agent's listing until `clients` of them run, and returns as soon as
    /// all clients are waiting for a change.
    async fn grow(&mut self, clients: usize) {
        while self.clients.len() < clients {
            self.clients.push(self.agent.follow(self.responses.clone()));
        }
        for _ in 0..clients {
            self.response().await;
        }
        while self.agent.waiting_clients().await != clients {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts clients that behave like agents behind a hub until `clients` of them run, and returns
    /// as soon as all clients are waiting for a change.
    async fn grow_hub(&mut self, clients: usize) {
        let (tag, _) = self.agent.snapshot().await;
        while self.clients.len() < clients {
            let client = self
                .agent
                .follow_snapshot(tag.clone(), self.responses.clone());
            self.clients.push(client);
        }
        while self.agent.waiting_clients().await != clients {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn cost(&mut self) -> Cost {
        let (mut quiet, mut changed) = (Vec::new(), Vec::new());
        let mut received = [const { Vec::new() }; 3];
        let mut resident = 0;
        for number in 0..WINDOWS {
            quiet.push(self.window(None).await.0);
            let tenant = format!("change-{}-{number}", self.clients.len());
            let (cpu, times) = self.window(Some(&tenant)).await;
            changed.push(cpu);
            for (all, time) in received.iter_mut().zip(times.into_iter().flatten()) {
                all.push(time);
            }
            resident = self.agent.process().resident_bytes();
        }
        let quiet = median(&mut quiet);
        Cost {
            quiet: quiet.div_f64(WINDOW.as_secs_f64()),
            change: median(&mut changed).saturating_sub(quiet),
            resident,
            received: (!self.clients.is_empty()).then(|| received.map(|mut all| median(&mut all))),
        }
    }

    /// Returns the agent's processor time during [`WINDOW`]. If `change` contains a tenant, the
    /// function also writes a directive for this tenant, and returns how long it took until the
    /// clients received the change.
    async fn window(&mut self, change: Option<&str>) -> (Duration, Option<[Duration; 3]>) {
        let (begin, before) = (Instant::now(), self.agent.process().cpu_time());
        let mut times = None;
        if let Some(tenant) = change {
            self.cluster.write("d-000000", tenant).await;
            times = self.responses(tenant).await;
        }
        tokio::time::sleep(WINDOW.saturating_sub(begin.elapsed())).await;
        assert_eq!(self.agent.waiting_clients().await, self.clients.len());
        let cpu = self.agent.process().cpu_time().saturating_sub(before);
        (cpu, times)
    }

    /// Returns the next response that any client has received, and panics if no client receives a
    /// response within [`PATIENCE`].
    async fn response(&mut self) -> Response {
        let response = tokio::time::timeout(PATIENCE, self.received.recv()).await;
        response
            .ok()
            .flatten()
            .expect("every client receives a response")
    }

    /// Waits until all clients have received the directive for the given tenant. Returns the times
    /// from the agent's publish until the first, the median and the last client had received the
    /// directive.
    async fn responses(&mut self, tenant: &str) -> Option<[Duration; 3]> {
        let mut responses = Vec::new();
        for _ in 0..self.clients.len() {
            let response = self.response().await;
            assert!(
                response.listing.contains(tenant),
                "the response contains the change"
            );
            responses.push(response.time);
        }
        if responses.is_empty() {
            return None;
        }
        let published = self.agent.last_change().await;
        let after = |n: usize| {
            Duration::try_from(responses[n].duration_since(published)).unwrap_or_default()
        };
        Some([
            after(0),
            after(responses.len() / 2),
            after(responses.len() - 1),
        ])
    }
}

impl Drop for Crowd<'_> {
    fn drop(&mut self) {
        for client in &self.clients {
            client.abort();
        }
    }
}
