//! Measures the memory, the file descriptors and the tasks of an agent, and checks that these
//! numbers do not grow during the soak test.

use test_support::measure::median;
use test_support::measure::process::Process;

use crate::site::Site;
use crate::support::agent::Agent;

/// The soak test fails if an agent's memory grows by this number of bytes or more between the
/// second and the last part of the test.
const MEMORY_TOLERANCE: u64 = 8 << 20;
const COUNT_TOLERANCE: u64 = 32;
/// The number of equal parts into which the soak test divides its measurements, the first of which
/// is the warm-up.
const PARTS: usize = 6;

/// One measurement of an agent's process, with its resident memory in bytes, file descriptors and
/// tasks.
#[derive(Clone, Copy, Debug)]
struct Sample {
    resident: u64,
    descriptors: u64,
    tasks: u64,
}

/// All measurements of one agent during the soak test.
pub(crate) struct Samples {
    name: &'static str,
    process: Process,
    metrics: String,
    taken: Vec<Sample>,
    /// The latest response of the agent to a request for `/v1/status`.
    status: serde_json::Value,
}

impl Samples {
    pub(crate) fn of(name: &'static str, agent: &Agent) -> Self {
        Self {
            name,
            process: Process::of(agent.process_id()),
            metrics: agent.url(""),
            taken: Vec::new(),
            status: serde_json::Value::Null,
        }
    }

    pub(crate) async fn take(&mut self, site: &Site) {
        let get = async |path: &str| {
            let request = site.http.get(format!("{}{path}", self.metrics));
            let response = request.bearer_auth(site.token()).send().await.ok()?;
            response.text().await.ok()
        };
        let metrics = get("/metrics")
            .await
            .expect("the agent responds under faults");
        let tasks = metrics
            .lines()
            .find_map(|line| line.strip_prefix("directives_agent_tasks "));
        self.taken.push(Sample {
            resident: self.process.resident_bytes(),
            descriptors: self.process.open_files(),
            tasks: tasks.unwrap().parse().unwrap(),
        });
        if let Some(status) = get("/v1/status").await {
            self.status = serde_json::from_str(&status).unwrap_or_default();
        }
    }

    /// Returns the medians of the measurements in the part `part` of the soak test, counted from
    /// zero.
    fn part(&self, part: usize) -> Sample {
        let length = (self.taken.len() / PARTS).max(1);
        let begin = (part * length).min(self.taken.len() - 1);
        let samples = &self.taken[begin..(begin + length).min(self.taken.len())];
        let of = |value: fn(&Sample) -> u64| {
            let mut values: Vec<u64> = samples.iter().map(value).collect();
            median(&mut values)
        };
        Sample {
            resident: of(|sample| sample.resident),
            descriptors: of(|sample| sample.descriptors),
            tasks: of(|sample| sample.tasks),
        }
    }

    /// Prints a table with the medians of the measurements in each part of the soak test.
    pub(crate) fn report(&self) {
        println!("| {} | memory, MB | descriptors | tasks |", self.name);
        println!("|---|---|---|---|");
        for part in 0..PARTS {
            let Sample {
                resident,
                descriptors,
                tasks,
            } = self.part(part);
            let tenths = resident / 100_000;
            println!(
                "| part {} of {PARTS} | {}.{} | {descriptors} | {tasks} |",
                part + 1,
                tenths / 10,
                tenths % 10
            );
        }
        println!(
            "{} samples; highest memory {} bytes",
            self.taken.len(),
            self.process.peak_bytes()
        );
        println!("{:#}", self.status["counters"]);
    }

    /// Checks that the agent does not need more memory, file descriptors or tasks in the last part
    /// of the soak test than in the second part, except for a tolerance.
    pub(crate) fn check(&self) {
        let (early, late) = (self.part(1), self.part(PARTS - 1));
        let name = self.name;
        assert!(
            late.resident < early.resident + MEMORY_TOLERANCE,
            "{name}: the memory grew: {early:?} {late:?}"
        );
        assert!(
            late.descriptors < early.descriptors + COUNT_TOLERANCE,
            "{name}: the descriptors grew: {early:?} {late:?}"
        );
        assert!(
            late.tasks < early.tasks + COUNT_TOLERANCE,
            "{name}: the tasks grew: {early:?} {late:?}"
        );
        let reloads = self.counter("credential_reloads");
        assert!(reloads >= 2, "{name}: {reloads} reloads");
    }

    /// Returns the counter `name` from the agent's latest status, or zero if the status lacks it.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.status["counters"][name].as_u64().unwrap_or_default()
    }
}
