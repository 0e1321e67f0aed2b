//! Measures how long a change takes to pass through a chain of agents, each of which polls the
//! previous agent.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::agent_process::{Agent, Response};
use test_support::measure::benchmark_cluster::Cluster;
use test_support::measure::percentiles;

const CHANGES: usize = 21;

pub async fn measure(cluster: &Cluster) {
    println!("### From an acknowledged write to an agent's `/v1/directives`\n");
    println!(
        "The write waits until it can be searched (`refresh=true`). The first agent polls the \
         cluster, each further one the one before it, all at the same interval; on each a client \
         waits for the change. {CHANGES} writes, at any moment of the interval.\n"
    );
    println!("| interval | one agent | the second of a chain | the third |");
    println!("|---:|:---|:---|:---|");
    for millis in [200, 1_000] {
        cluster.fill(100).await;
        let interval = Duration::from_millis(millis);
        let follower = |of: &Agent| Agent::start(of.url(), interval, &["--upstream", "agent"]);
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
                // A client may receive the change before the writer receives the acknowledgement.
                // The latency then counts as zero.
                times.push(had.saturating_duration_since(written));
            }
        }
        let [one, two, three] = times.map(|mut times| percentiles(&mut times));
        println!("| {interval:?} | {one} | {two} | {three} |");
    }
    println!();
}

/// An agent and a client that long-polls it.
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

    /// Returns the instant at which the client received a directive for this tenant.
    async fn has(&mut self, tenant: &str) -> Instant {
        let quoted = format!("\"{tenant}\"");
        loop {
            let response = self.responses.recv().await.expect("the agent goes on");
            if response.listing.contains(&quoted) {
                return response.at;
            }
        }
    }
}
