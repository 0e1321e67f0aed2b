//! Measures how long a change of a directive takes to pass through a chain of agents, in which each
//! agent long-polls the previous one. Also measures how many bytes an agent behind a hub receives
//! for one change of a directive.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::agent_process::{Agent, Response};
use test_support::measure::benchmark_cluster::Cluster;
use test_support::measure::{median, percentiles};

const CHANGES: usize = 21;
const FOLLOWER_INTERVAL: Duration = Duration::from_secs(5);
const MANY: usize = 100_000;

pub async fn measure(cluster: &Cluster) {
    println!("### From an acknowledged write to an agent's `/v1/directives`\n");
    println!(
        "A write is acknowledged when a search finds it (`refresh=true`). The first agent polls the \
         cluster at the given interval. Each other agent long-polls the previous agent, with the \
         default interval of 5s. A client of each agent waits for the change. The table shows \
         {CHANGES} writes at random moments of the interval.\n"
    );
    println!("| interval | one agent | the second of a chain | the third |");
    println!("|---:|:---|:---|:---|");
    for millis in [200, 1_000] {
        cluster.fill(100).await;
        let interval = Duration::from_millis(millis);
        let first = Agent::start(cluster.url().as_str(), interval, &[]);
        let second = follower(&first);
        let third = follower(&second);
        let mut clients = [first, second, third].map(Client::of);
        let mut times = [const { Vec::new() }; 3];
        for number in 0..CHANGES {
            tokio::time::sleep(interval.mul_f64(fastrand::f64())).await;
            let tenant = format!("write-{number}");
            cluster.write("d-000000", &tenant).await;
            let written = Instant::now();
            for (client, times) in clients.iter_mut().zip(&mut times) {
                let had = client.has(&tenant).await;
                // The benchmark counts the latency as zero if a client receives the change before
                // the writer receives the acknowledgement.
                times.push(had.saturating_duration_since(written));
            }
        }
        let [one, two, three] = times.map(|mut times| percentiles(&mut times));
        println!("| {interval:?} | {one} | {two} | {three} |");
    }
    println!();
    bytes(cluster).await;
}

fn follower(of: &Agent) -> Agent {
    Agent::start(of.url(), FOLLOWER_INTERVAL, &["--upstream", "agent"])
}

/// Measures how many bytes an agent behind a hub receives when one of many directives changes.
async fn bytes(cluster: &Cluster) {
    println!("### One change among {MANY} directives through a hub\n");
    cluster.fill(MANY).await;
    let slow = ["--request-timeout", "60s", "--poll-timeout", "120s"];
    let interval = Duration::from_millis(200);
    let hub = Agent::start(cluster.url().as_str(), interval, &slow);
    let (_, whole) = hub.snapshot().await;
    let behind = follower(&hub);
    let received = async || {
        let status = behind.status().await;
        status["counters"]["bytes_received"]
            .as_u64()
            .expect("the counter")
    };
    let (mut bytes, mut times) = (Vec::new(), Vec::new());
    for number in 0..CHANGES {
        tokio::time::sleep(interval.mul_f64(fastrand::f64())).await;
        let before = (received().await, behind.last_change().await);
        cluster.write("d-000000", &format!("write-{number}")).await;
        while behind.last_change().await == before.1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bytes.push(received().await - before.0);
        let times_between = behind
            .last_change()
            .await
            .duration_since(hub.last_change().await);
        times.push(Duration::try_from(times_between).unwrap_or_default());
    }
    let most = bytes.iter().copied().max().unwrap_or_default();
    println!(
        "Bytes of responses to the agent behind the hub: {} (median of {CHANGES}), at most {most}; the \
         whole snapshot has {whole}. From the publish of the hub to the publish of the agent: {}.\n",
        median(&mut bytes),
        percentiles(&mut times),
    );
}

/// A client that long-polls an agent, together with this agent.
struct Client {
    responses: mpsc::UnboundedReceiver<Response>,
    _agent: Agent,
}

impl Client {
    fn of(agent: Agent) -> Self {
        let (sender, responses) = mpsc::unbounded_channel();
        agent.follow(sender);
        Self {
            responses,
            _agent: agent,
        }
    }

    /// Returns the instant at which the client received a directive for the given tenant.
    async fn has(&mut self, tenant: &str) -> Instant {
        let quoted = format!("\"{tenant}\"");
        loop {
            let response = self.responses.recv().await.expect("the agent still runs");
            if response.listing.contains(&quoted) {
                return response.at;
            }
        }
    }
}
