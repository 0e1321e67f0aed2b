//! The state that all polls of one store share, such as the source, the pauses and the published
//! generation.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use crate::agent_source::AgentSource;
use crate::clock::Clock;
use crate::config::{Config, Startup, Upstream};
use crate::error::PollError;
use crate::history::Recorder;
use crate::http::Client;
use crate::last_good_atomic_write::LastGoodFile;
use crate::poll_pauses::Backoff;
use crate::safeguard_switches::Tuning;
use crate::signatures::Verifier;
use crate::source::SnapshotSource;
use crate::sync::IndexSynchronizer;

use tokio::time::Instant;

use super::change_log::ChangeLog;
use super::liveness::Liveness;
use super::max_ttl_comparison::MaxTtlComparison;
use super::off_switch::OffSwitch;
use super::outlet::Outlet;
use super::shared_state::Shared;

/// The upper limit for the shortest pause between two polls. A change that the source reports never
/// makes a pause shorter than the shortest pause.
const MAX_SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// Polls a source of snapshots and publishes the snapshots.
#[derive(Debug)]
pub struct Poller {
    pub(super) shared: Arc<Shared>,
    pub(super) outlet: Outlet,
    pub(super) source: Box<dyn SnapshotSource>,
    /// The generation number that the source gave to the published snapshot; `None` if the
    /// published snapshot does not come from the source.
    pub(super) published_generation: Option<u64>,
    pub(super) clock: Arc<dyn Clock>,
    backoff: Backoff,
    pub(super) poll_timeout: Duration,
    pub(super) clear_after: Option<Duration>,
    /// The comparison of `max_ttl` with the limit of the ingest pipeline; `None` if the source is
    /// not an index.
    pub(super) max_ttl_comparison: Option<MaxTtlComparison>,
    pub(super) last_good: Option<Arc<LastGoodFile>>,
    /// The longest time from now to the expiry of a directive of the last-good file. The limit of
    /// this process applies only if this process polls the index itself.
    pub(super) max_ttl: Duration,
    pub(super) startup: Startup,
    pub(super) off_switch: OffSwitch,
    pub(super) change_log: ChangeLog,
    /// The instant at which the refresher last searched the whole directive set for starts and
    /// expiries.
    pub(super) boundary_pass_at: Option<Instant>,
    /// The recorder of the history; `None` if this instance records nothing. The refresher moves
    /// the recorder out of this field when the polling loop starts.
    pub(super) recorder: Option<Recorder>,
}

impl Poller {
    /// Creates a poller for the source that `config` selects: the index or an agent.
    pub(crate) fn new(config: &Config, client: Client, verifier: Arc<Verifier>) -> Self {
        match config.upstream {
            Upstream::Index => {
                let seed = seed_of(&config.instance);
                let for_source = Arc::clone(&verifier);
                let mut source = IndexSynchronizer::new(config, client.clone(), for_source, seed);
                let mut recorder = None;
                if config.record_history {
                    let (new, feed) = Recorder::new(config, client.clone(), seed);
                    source = source.with_history(feed);
                    recorder = Some(new);
                }
                let max_ttl_comparison = MaxTtlComparison::new(config, client.clone());
                Self {
                    max_ttl_comparison: Some(max_ttl_comparison),
                    max_ttl: config.max_ttl,
                    recorder,
                    ..Self::over(config, client, verifier, Box::new(source))
                }
            }
            Upstream::Agent => {
                let seed = seed_of(&config.instance);
                let for_source = Arc::clone(&verifier);
                let source = AgentSource::new(config, client.clone(), for_source, seed);
                Self::over(config, client, verifier, Box::new(source))
            }
        }
    }

    /// Creates a poller of the index with the sizes of requests and the safeguards in `tuning`.
    /// Tests leave out a safeguard in `tuning` to prove that they detect the missing safeguard.
    #[doc(hidden)]
    #[must_use]
    pub fn with_tuning(config: &Config, client: Client, tuning: Tuning) -> Self {
        let seed = seed_of(&config.instance);
        let verifier = Arc::new(Verifier::default());
        let source = IndexSynchronizer::new(config, client.clone(), Arc::clone(&verifier), seed);
        let source = source.with_tuning(tuning);
        Self::over(config, client, verifier, Box::new(source))
    }

    /// Creates a poller for `source`, which may be an index, an agent or a source of the
    /// application.
    pub(crate) fn over(
        config: &Config,
        client: Client,
        verifier: Arc<Verifier>,
        source: Box<dyn SnapshotSource>,
    ) -> Self {
        let (outlet, published, subscription) = Outlet::new();
        let shared = Arc::new(Shared::new(
            config,
            client,
            verifier,
            published,
            subscription,
        ));
        let off_switch = OffSwitch::new(
            config.off_file.clone(),
            outlet.clone(),
            Arc::clone(&shared),
            Arc::clone(&config.clock),
        );
        Self {
            shared,
            outlet,
            source,
            published_generation: None,
            clock: Arc::clone(&config.clock),
            backoff: Backoff::new(
                config.interval,
                config.max_backoff,
                seed_of(&config.instance),
            ),
            poll_timeout: config.poll_timeout,
            clear_after: config.clear_after,
            max_ttl_comparison: None,
            recorder: None,
            max_ttl: Duration::MAX,
            last_good: config
                .last_good
                .clone()
                .map(LastGoodFile::new)
                .map(Arc::new),
            startup: config.startup,
            off_switch,
            change_log: ChangeLog::default(),
            boundary_pass_at: None,
        }
    }

    /// Returns the state that the poller writes and its store reads.
    #[doc(hidden)]
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns the pause between the first read and the first poll of the polling loop.
    pub(crate) fn phase(&mut self) -> Duration {
        self.backoff.phase()
    }

    /// Records in the status when the next poll begins.
    pub(super) fn announce_pause(&self, pause: Duration) {
        self.shared.update(|progress| {
            progress.next_poll_in = pause;
            progress.liveness = Liveness::due_within(pause);
        });
    }

    /// Returns a future that completes after `pause`, or earlier if the source learns of a change.
    /// The output of the future is true if the source has ended the pause.
    pub(super) fn pause(&mut self, pause: Duration) -> impl Future<Output = bool> + use<> {
        let end = tokio::time::sleep(pause);
        let shortest = shortest_pause(pause);
        let rest = pause.saturating_sub(shortest);
        let shortest = tokio::time::sleep(shortest);
        // After a failed poll, the pause is never shortened, so that a failing server has time to
        // recover.
        let has_failed = self.shared.progress().consecutive_failures > 0;
        let (source, generation) = (&mut self.source, self.published_generation);
        // The source may panic, because it may belong to the application. After a panic of the
        // source, the poller waits for the whole pause.
        let change = if has_failed {
            None
        } else {
            let begin = AssertUnwindSafe(|| source.pause(generation, rest));
            std::panic::catch_unwind(begin).ok()
        };
        async move {
            let early = async {
                let Some(change) = change else {
                    return std::future::pending().await;
                };
                // The source begins to wait for a change only after the shortest pause. A caller
                // that requests a poll during the shortest pause therefore never gets a response
                // that was sent before the call.
                shortest.await;
                if AssertUnwindSafe(change).catch_unwind().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = end => false,
                () = early => true,
            }
        }
    }

    /// Returns the pause between the last poll and the next poll. `failure` is the error of the
    /// last poll; `None` if the last poll succeeded.
    #[doc(hidden)]
    pub fn pause_after(&mut self, failure: Option<&PollError>) -> Duration {
        match failure {
            None => self.backoff.succeeded(),
            Some(error) => self.backoff.failed(error.retry_after()),
        }
    }
}

/// Returns the shortest pause between two polls, which applies even if the source reports changes
/// more often. The shortest pause is a fiftieth of `pause`, but at least 10 and at most 100 ms.
fn shortest_pause(pause: Duration) -> Duration {
    let least = Config::MIN_INTERVAL.min(pause);
    (pause / 50).clamp(least, MAX_SHORTEST_PAUSE.max(least))
}

/// Computes a seed for random numbers from the name of the instance. The same name always gives the
/// same seed, so that an instance polls in the same phase of the interval after a restart.
pub(crate) fn seed_of(instance: &str) -> u64 {
    instance
        .bytes()
        .fold(0, |seed: u64, byte| seed.rotate_left(7) ^ u64::from(byte))
}
