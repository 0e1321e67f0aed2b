//! Runs the schedules of the simulation. A schedule is a sequence of random events and polls in one
//! simulated world. A seed determines the whole schedule.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::promise_checks::{Broken, ObservedRefresher};
use crate::simulated_transport::{Lie, Wire};
use crate::world::{World, pause};
use crate::world_parameters::{RefresherSettings, Shape};
use opensearch_directives::ClusterConfig;
use opensearch_directives::Config;
use opensearch_directives::internal::Poller;
use opensearch_directives::internal::{Client, Transport};
use opensearch_directives::internal::{Safeguard, Safeguards, Tuning};

/// After all faults have ended, a refresher must have published the content of the index within
/// this number of polls.
const POLLS_TO_SETTLE: u32 = 6;
/// A duration that is longer than the interval between periodic reconciles, so that after this time
/// a reconcile is certainly due.
const RECONCILE: Duration = Duration::from_hours(30);

/// The run of schedules ends early as soon as one thread has this number of failed schedules.
const FAILURES_AT_MOST: usize = 20;

/// The parameters of a run of schedules: the kinds of events, the safeguard that the refreshers
/// leave out, and the detail that the network hides.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) shape: Shape,
    /// The safeguard that the refreshers leave out. A run that leaves out a safeguard tests that
    /// the schedules detect the missing safeguard.
    pub(crate) left_out: Option<Safeguard>,
    /// The detail of responses that the network hides from the refreshers. A run that hides a
    /// detail tests that at least one schedule fails because of the hidden detail.
    pub(crate) lie: Option<Lie>,
}

/// The numbers of polls, publishes and refreshers in a schedule that broke no promise.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    pub(crate) polls: u64,
    pub(crate) published: u64,
    pub(crate) refreshers: u64,
    /// The number of refreshers that published the complete index without the help of a periodic
    /// reconcile.
    pub(crate) in_time: u64,
    /// The number of refreshers that needed an additional minute to publish the complete index,
    /// because of a known limitation.
    pub(crate) delayed: u64,
    /// The number of refreshers that reported a hidden document.
    pub(crate) hidden: u64,
    /// The number of differences that, because of a known limitation, only a periodic
    /// reconciliation found.
    pub(crate) corrections: u64,
    /// The number of polls that were delta reads. The fields `reconciles` and `full_reads` count
    /// the polls that were reconciles and full reads.
    pub(crate) delta_reads: u64,
    pub(crate) reconciles: u64,
    pub(crate) full_reads: u64,
}

/// A schedule in which a refresher broke a promise, with the seed and the log of the schedule.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) seed: u64,
    pub(crate) broken: Broken,
    pub(crate) log: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Broken { promise, how } = &self.broken;
        let Self { seed, log, .. } = self;
        write!(
            f,
            "{log}{promise} is broken: {how}\nrun it again: SIMULATION_SEED={seed} SIMULATION_SCHEDULES=1 \
             cargo test -p simulation random"
        )
    }
}

/// Runs one schedule, and runs it a second time with a log if the schedule fails.
pub(crate) async fn run(seed: u64, plan: &Plan) -> Result<Ran, Failure> {
    let mut failed = None;
    for logs in [false, true] {
        let mut world = World::new(seed, &plan.shape, logs);
        world.seen_views.knows_identity = plan.lie != Some(Lie::NoIdentity);
        world.refreshers = RefresherSettings::random(seed);
        let settings = format!("{:?}", world.refreshers);
        world.note(|| settings);
        let wire = Wire::new(world, plan.lie);
        let mut ran = Ran::default();
        let Err(broken) = steps(&wire, plan.left_out, &mut ran).await else {
            assert_eq!(failed, None, "seed {seed} did not fail again");
            return Ok(ran);
        };
        if logs {
            assert_eq!(
                failed,
                Some(broken.promise),
                "seed {seed} fails in another way"
            );
            let log = wire.world().log();
            return Err(Failure { seed, broken, log });
        }
        failed = Some(broken.promise);
    }
    unreachable!("it failed twice")
}

async fn steps(wire: &Wire, left_out: Option<Safeguard>, ran: &mut Ran) -> Result<(), Broken> {
    let (count, steps) = {
        let rng = &mut wire.world().rng;
        (rng.usize(1..=3), rng.usize(20..=60))
    };
    let mut refreshers: Vec<_> = (0..count).map(|n| refresher(wire, n, left_out)).collect();
    for _ in 0..steps {
        let poll = {
            let mut world = wire.world();
            if world.rng.u8(..5) < 2 {
                Some(world.rng.usize(..count))
            } else {
                world.happen();
                None
            }
        };
        if let Some(n) = poll {
            let pause = pause(&mut wire.world().rng);
            tokio::time::advance(pause).await;
            counted(wire, &mut refreshers[n], n, ran).await?;
        }
    }
    wire.world().calm();
    for (n, refresher) in refreshers.iter_mut().enumerate() {
        catches_up(wire, refresher, n, ran).await?;
        ran.refreshers += 1;
        let reads = refresher.counters().reads;
        ran.delta_reads += reads.delta_reads;
        ran.reconciles += reads.reconciles;
        ran.full_reads += reads.full_reads;
    }
    Ok(())
}

/// Checks what a refresher does after all faults have ended. The refresher must publish the
/// complete index without waiting for a periodic reconciliation (P13), or report that documents are
/// hidden (P11).
async fn catches_up(
    wire: &Wire,
    refresher: &mut ObservedRefresher,
    n: usize,
    ran: &mut Ran,
) -> Result<(), Broken> {
    // The refresher polls once after the document has changed, but before any search returns the
    // new version.
    wire.world().update_a_document();
    tokio::time::advance(Duration::from_secs(2)).await;
    counted(wire, refresher, n, ran).await?;
    wire.world().settle();
    if settles(wire, refresher, n, ran).await? {
        ran.in_time += u64::from(!wire.world().refreshers.reconcile_often());
        return Ok(());
    }
    if wire.world().hides_a_document() {
        ran.hidden += 1;
        return broken_unless(refresher.misses_documents(), "P11", || {
            format!("refresher {n} does not notice that a document is hidden")
        });
    }
    // If searches cannot select the primary, the refresher observes a possible step back for a
    // minute before it accepts the step back (a known limitation).
    if wire.world().quirks.no_primary {
        tokio::time::advance(Duration::from_mins(1)).await;
        ran.delayed += 1;
        if settles(wire, refresher, n, ran).await? {
            return Ok(());
        }
    }
    tokio::time::advance(RECONCILE).await;
    let promise = if settles(wire, refresher, n, ran).await? {
        "P13"
    } else {
        "in the end"
    };
    let published = refresher.published();
    let how = format!("refresher {n} does not have what the index holds, but {published:?}");
    Err(Broken { promise, how })
}

fn broken_unless(
    holds: bool,
    promise: &'static str,
    how: impl FnOnce() -> String,
) -> Result<(), Broken> {
    if holds {
        return Ok(());
    }
    let how = how();
    Err(Broken { promise, how })
}

/// Polls [`POLLS_TO_SETTLE`] times, and returns true if the refresher has then published the whole
/// content of the index.
async fn settles(
    wire: &Wire,
    refresher: &mut ObservedRefresher,
    n: usize,
    ran: &mut Ran,
) -> Result<bool, Broken> {
    for _ in 0..POLLS_TO_SETTLE {
        tokio::time::advance(Duration::from_secs(2)).await;
        counted(wire, refresher, n, ran).await?;
    }
    Ok(refresher.has_all(&wire.world()))
}

/// Polls once, and adds the poll, its publish and its corrections to the counts in `ran`.
async fn counted(
    wire: &Wire,
    watched: &mut ObservedRefresher,
    n: usize,
    ran: &mut Ran,
) -> Result<(), Broken> {
    ran.polls += 1;
    let before = std::ptr::from_ref(watched.published());
    let corrections = watched.counters().reads.corrections;
    let checked = poll(wire, watched, n).await;
    ran.published += u64::from(!std::ptr::eq(before, watched.published()));
    checked?;
    let corrections = watched.counters().reads.corrections - corrections;
    ran.corrections += corrections;
    let revision = watched.published().revision();
    let is_limited = |uuid| wire.world().has_a_limitation_that_needs_reconciles(uuid);
    let is_explained = corrections == 0 || revision.is_some_and(|read| is_limited(&read.uuid));
    broken_unless(is_explained, "corrections", || {
        format!("a reconcile of refresher {n} found a difference without a known limitation")
    })
}

/// Polls once and checks every promise of ARCHITECTURE.md.
pub(crate) async fn poll(
    wire: &Wire,
    watched: &mut ObservedRefresher,
    n: usize,
) -> Result<(), Broken> {
    wire.world().note(|| format!("refresher {n} polls"));
    let began = Instant::now();
    let result = watched.refresher.poll().await;
    let took = began.elapsed();
    let mut world = wire.world();
    world.note(|| format!("refresher {n} polled: {result:?}"));
    watched.check_times(&result, took)?;
    watched.check(&world, &result)
}

pub(crate) fn refresher(wire: &Wire, n: usize, left_out: Option<Safeguard>) -> ObservedRefresher {
    let (nodes, page_size, settings) = {
        let world = wire.world();
        let nodes = world.cluster.nodes.len();
        (nodes, world.shape.page, world.refreshers.clone())
    };
    let urls = (0..nodes).map(|node| format!("http://node-{node}:9200").parse().unwrap());
    let instance = format!("proxy-{n}");
    let mut cluster = ClusterConfig::new(urls);
    cluster.instance.clone_from(&instance);
    let config = Config::new(cluster)
        .with_instance(instance)
        .with_reconcile_interval(settings.reconcile_interval)
        .with_clock(Arc::new(wire.clone()));
    let transport = Arc::new(wire.clone()) as Arc<dyn Transport>;
    let client = Client::over(transport, &config.cluster);
    let all = Safeguards::all();
    let tuning = Tuning {
        page_size,
        first_buckets: settings.first_buckets,
        look_back: settings.look_back,
        safeguards: left_out.map_or(all, |safeguard| all.without(safeguard)),
    };
    ObservedRefresher::new(Poller::with_tuning(&config, client, tuning))
}

/// Runs one schedule on the current thread.
pub(crate) fn run_alone(seed: u64, plan: &Plan) -> Result<Ran, Failure> {
    runtime().block_on(run(seed, plan))
}

/// Runs the schedules of consecutive seeds on two threads. Returns the sum of the results, and the
/// failed schedules in the order of their seeds.
pub(crate) fn run_many(first: u64, count: u64, plan: &Plan) -> (Ran, Vec<Failure>) {
    let next = AtomicU64::new(0);
    let work = || {
        let runtime = runtime();
        let (mut all, mut failures) = (Ran::default(), Vec::new());
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return (all, failures);
            }
            match runtime.block_on(run(first.wrapping_add(n), plan)) {
                Ok(ran) => all = all + ran,
                Err(failure) => failures.push(failure),
            }
            if failures.len() >= FAILURES_AT_MOST {
                next.store(count, Ordering::Relaxed);
            }
        }
    };
    let (ran, mut failures) = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let (ran, mut failures) = work();
        let (more, others) = other.join().unwrap();
        failures.extend(others);
        (ran + more, failures)
    });
    failures.sort_by_key(|failure| failure.seed);
    (ran, failures)
}

impl std::ops::Add for Ran {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            polls: self.polls + other.polls,
            published: self.published + other.published,
            refreshers: self.refreshers + other.refreshers,
            delayed: self.delayed + other.delayed,
            in_time: self.in_time + other.in_time,
            hidden: self.hidden + other.hidden,
            corrections: self.corrections + other.corrections,
            delta_reads: self.delta_reads + other.delta_reads,
            reconciles: self.reconciles + other.reconciles,
            full_reads: self.full_reads + other.full_reads,
        }
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}
