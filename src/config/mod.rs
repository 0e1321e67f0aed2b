//! The settings of a store: its source, the intervals and the limits of its polls, and its
//! behaviour after a failed poll.

mod checks;
mod startup;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

pub use self::startup::Startup;
use crate::clock::{Clock, SystemClock};
use crate::http::ClusterConfig;
#[cfg(feature = "signatures")]
use crate::signatures::SignatureChecks;

/// The kind of servers that a store polls: the nodes of a cluster, or agents.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Upstream {
    /// The store polls the nodes of the cluster that contains the index.
    #[default]
    Index,
    /// The store polls agents (`directives agent`). The polled agents themselves poll the index or
    /// other agents.
    ///
    /// The store publishes the revision, the digest and the rejections that the agent reports. The
    /// agent's limit for expiries (`max_ttl`) applies instead of the store's own limit. The age of
    /// the published set is the time since an agent read the index. If several addresses are
    /// configured, all agents must poll the same index. The store ignores an agent whose snapshot
    /// is older than the published snapshot.
    ///
    /// Between two polls, the store sends a request to which the agent responds only when the
    /// agent's snapshot has changed. A change of the agent's snapshot therefore reaches the store
    /// at once. If the agent's snapshot does not change, the agent responds after at most one poll
    /// interval. If requests that wait for a change do not reach the agent, the store only polls
    /// the agent at the poll interval. The notes of the [polling
    /// strategy](crate::status::PollStrategy::notes) contain the reason why requests that wait for
    /// a change do not reach the agent.
    Agent,
}

/// The settings with which an [`OpenSearchDirectiveStore`](crate::OpenSearchDirectiveStore) polls
/// the index and publishes directives.
///
/// ```
/// use std::time::Duration;
/// use opensearch_directives::{ClusterConfig, Config};
///
/// let cluster = ClusterConfig::new(["http://127.0.0.1:9200".parse()?]);
/// let config = Config::new(cluster).with_interval(Duration::from_secs(1));
/// # Ok::<(), url::ParseError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The addresses of the servers, the name of the index, and the credentials.
    pub cluster: ClusterConfig,
    /// The kind of servers that the store polls: nodes or agents.
    pub upstream: Upstream,
    /// The pause from the end of one poll to the start of the next one, without jitter.
    pub interval: Duration,
    /// What the store does if its first read of the index fails.
    pub startup: Startup,
    /// The published set counts as stale when more than this duration has passed since the last
    /// complete read. If `stale_after` is `None`, the set counts as stale after
    /// [`DEFAULT_STALE_AFTER`](Self::DEFAULT_STALE_AFTER) or three poll intervals, whichever is
    /// longer.
    pub stale_after: Option<Duration>,
    /// The longest pause after a failed poll; the pauses become longer with each consecutive
    /// failure. If a response requests a longer pause with `Retry-After`, the store waits only for
    /// `max_backoff`.
    pub max_backoff: Duration,
    /// The time limit of one poll, including all its requests to all nodes.
    pub poll_timeout: Duration,
    /// When more than this duration has passed since the last complete read, no directive applies
    /// any more. If `clear_after` is `None`, directives apply regardless of the age of the
    /// published set.
    ///
    /// Each evaluation checks, with a precision of one second, whether the published set is older
    /// than `clear_after` at the time that the caller passes to `evaluate`. The limit `clear_after`
    /// is therefore in force even if the refresher no longer runs. When the published set becomes
    /// older than `clear_after`, the refresher also publishes an empty set and notifies the
    /// subscribers, without waiting for the next poll.
    pub clear_after: Option<Duration>,
    /// The file in which the store saves the snapshot after each publish, so that a later start
    /// can use it while the cluster is unavailable.
    pub last_good: Option<PathBuf>,
    /// The off file, a kill switch for this process: while the file exists, no directive applies.
    /// The store checks twice a second whether the off file exists, even while the cluster is
    /// unreachable. The content of the off file does not matter.
    pub off_file: Option<PathBuf>,
    /// Whether the store counts the requests that each directive matches (see
    /// [`hits`](crate::OpenSearchDirectiveStore::hits)). Counting costs no time for a request that
    /// matches no directive.
    pub count_hits: bool,
    /// The interval between periodic reconciles, with a jitter of ±20 %. A reconcile compares the
    /// `_seq_no`s of all documents by ranges, or reads all documents if the server does not permit
    /// the comparison. Reconciles are a safety net, because they find changes that the checks of
    /// each poll might miss.
    pub reconcile_interval: Duration,
    /// The longest time from now to the expiry of a directive. A document that expires later than
    /// `max_ttl` from now is rejected. The store checks a rejected document again when somebody
    /// writes it, and at the next reconcile (`reconcile_interval`). A store that polls an index
    /// also rejects such directives when it restores its last-good file.
    pub max_ttl: Duration,
    /// The largest permitted number of unfinished documents in the index. A document is unfinished
    /// if it has neither ended nor been revoked. A read fails if the index has more unfinished
    /// documents than `max_documents`, or if it has more than `5 * max_documents` documents in
    /// total.
    pub max_documents: usize,
    /// The trusted keys, and the policy that says which directives need a signature. If
    /// `signatures` is `None`, the store verifies no signatures.
    #[cfg(feature = "signatures")]
    pub signatures: Option<SignatureChecks>,
    /// Whether this instance records the [history](crate::history) of the index, with one record
    /// for each operation that its polls show. An instance can write records only after `directives
    /// init --history` has created the history. Only a few instances of an index need to record its
    /// history.
    pub record_history: bool,
    /// The name under which this instance appears in its status. The instance's name also seeds its
    /// random choices, so that the instances of a fleet poll different nodes at different times.
    pub instance: String,
    /// The clock from which the store takes the time of day.
    pub clock: Arc<dyn Clock>,
}

impl Config {
    /// The shortest value of `interval` that the configuration accepts.
    pub const MIN_INTERVAL: Duration = Duration::from_millis(10);
    /// The default value of `interval`, the pause between polls.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
    /// The default age above which the published set counts as stale, unless three poll intervals
    /// are longer.
    pub const DEFAULT_STALE_AFTER: Duration = Duration::from_secs(30);
    /// The default value of `max_backoff`, the longest pause after a failed poll.
    pub const DEFAULT_MAX_BACKOFF: Duration = Duration::from_secs(30);
    /// The default value of `poll_timeout`, the time limit of one poll.
    pub const DEFAULT_POLL_TIMEOUT: Duration = Duration::from_secs(8);
    /// The default value of `reconcile_interval`, the interval between periodic reconciles.
    pub const DEFAULT_RECONCILE_INTERVAL: Duration = Duration::from_secs(30 * 60);
    /// The default value of `max_ttl`: an expiry may be at most 30 days from now.
    pub const DEFAULT_MAX_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    /// The default value of `max_documents`.
    pub const DEFAULT_MAX_DOCUMENTS: usize = 200_000;

    /// Returns the default settings for the given cluster, with a random instance name.
    #[must_use]
    pub fn new(cluster: ClusterConfig) -> Self {
        Self {
            cluster,
            upstream: Upstream::default(),
            interval: Self::DEFAULT_INTERVAL,
            startup: Startup::default(),
            stale_after: None,
            max_backoff: Self::DEFAULT_MAX_BACKOFF,
            poll_timeout: Self::DEFAULT_POLL_TIMEOUT,
            clear_after: None,
            last_good: None,
            off_file: None,
            count_hits: false,
            reconcile_interval: Self::DEFAULT_RECONCILE_INTERVAL,
            max_ttl: Self::DEFAULT_MAX_TTL,
            max_documents: Self::DEFAULT_MAX_DOCUMENTS,
            #[cfg(feature = "signatures")]
            signatures: None,
            record_history: false,
            instance: format!("{:016x}", fastrand::u64(..)),
            clock: Arc::new(SystemClock),
        }
    }

    /// Returns the default settings for a store that polls the index `directives` on the node at
    /// `url`.
    #[must_use]
    pub fn for_url(url: Url) -> Self {
        Self::new(ClusterConfig::new([url]))
    }

    /// Returns the default settings for a store over a [source](crate::source) other than an index.
    /// The name of the source appears in the status, in the log and in the last-good file.
    #[must_use]
    pub fn for_source(name: impl Into<String>) -> Self {
        Self::new(ClusterConfig::new([]).with_index(name))
    }

    /// Sets the kind of servers that the store polls.
    #[must_use]
    pub fn with_upstream(mut self, upstream: Upstream) -> Self {
        self.upstream = upstream;
        self
    }

    /// Sets the pause from the end of one poll to the start of the next one.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets what the store does if its first read of the index fails.
    #[must_use]
    pub fn with_startup(mut self, startup: Startup) -> Self {
        self.startup = startup;
        self
    }

    /// Sets the age above which the published set counts as stale. The age of the published set is
    /// the time since the last complete read.
    #[must_use]
    pub fn with_stale_after(mut self, stale_after: Duration) -> Self {
        self.stale_after = Some(stale_after);
        self
    }

    /// Sets the longest pause after a failed poll.
    #[must_use]
    pub fn with_max_backoff(mut self, max_backoff: Duration) -> Self {
        self.max_backoff = max_backoff;
        self
    }

    /// Sets the time limit of one poll, including all its requests.
    #[must_use]
    pub fn with_poll_timeout(mut self, poll_timeout: Duration) -> Self {
        self.poll_timeout = poll_timeout;
        self
    }

    /// Sets the age above which no directive of the published set applies any more. The age of the
    /// published set is the time since the last complete read.
    #[must_use]
    pub fn with_clear_after(mut self, clear_after: Duration) -> Self {
        self.clear_after = Some(clear_after);
        self
    }

    /// Sets the last-good file, in which the store saves each published snapshot for its next
    /// start.
    #[must_use]
    pub fn with_last_good(mut self, file: impl Into<PathBuf>) -> Self {
        self.last_good = Some(file.into());
        self
    }

    /// Sets the off file: while this file exists, no directive applies.
    #[must_use]
    pub fn with_off_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.off_file = Some(file.into());
        self
    }

    /// Makes the store count the requests that each directive matches.
    #[must_use]
    pub fn with_hit_counts(mut self) -> Self {
        self.count_hits = true;
        self
    }

    /// Sets the interval between periodic reconciles.
    #[must_use]
    pub fn with_reconcile_interval(mut self, reconcile_interval: Duration) -> Self {
        self.reconcile_interval = reconcile_interval;
        self
    }

    /// Sets the longest time from now to the expiry of a directive.
    #[must_use]
    pub fn with_max_ttl(mut self, max_ttl: Duration) -> Self {
        self.max_ttl = max_ttl;
        self
    }

    /// Sets the largest permitted number of documents in the index that have neither ended nor been
    /// revoked.
    #[must_use]
    pub fn with_max_documents(mut self, max_documents: usize) -> Self {
        self.max_documents = max_documents;
        self
    }

    /// Sets the trusted keys, and the policy that says which directives need a signature.
    #[cfg(feature = "signatures")]
    #[must_use]
    pub fn with_signatures(mut self, signatures: SignatureChecks) -> Self {
        self.signatures = Some(signatures);
        self
    }

    /// Sets whether this instance records the history of the index.
    ///
    /// The recorder, which writes the records of the history, runs in the task of the refresher.
    /// The recorder never delays a poll, and the length of its queue is bounded.
    /// [`Status::recorder`](crate::Status::recorder) contains the numbers of recorded, unseen and
    /// lost operations. At a shutdown, the recorder spends at most two seconds on sending the
    /// records that remain in its queue. `directives init --history` or
    /// [`Installer::install_history`](crate::admin::Installer::install_history) creates the
    /// history. Until the history exists, the records wait in the queue of the recorder.
    ///
    /// ```
    /// # use opensearch_directives::Config;
    /// let config = Config::for_url("http://localhost:9200".parse()?).with_record_history(true);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_record_history(mut self, record_history: bool) -> Self {
        self.record_history = record_history;
        self
    }

    /// Sets the name under which this instance appears in its status.
    #[must_use]
    pub fn with_instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = instance.into();
        self
    }

    /// Sets the clock from which the store takes the time of day, for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}
