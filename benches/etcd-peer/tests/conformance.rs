//! Runs the project's conformance kit for directive stores against osproxy-etcd 1.0.5 on a real
//! etcd, and checks which rules osproxy-etcd breaks. `scripts/test-etcd` starts etcd and passes the
//! address of etcd in the variable `ETCD_URL`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use etcd_client::Client;
use jiff::{SignedDuration, Timestamp};
use opensearch_directives_core::testing::{Kit, Rule, Subject, noon};
use opensearch_directives_core::{Decision, DiagnosticsDirective, EndpointKind, RequestAttrs};
use osproxy_core::{Clock, Instant, ManualClock, PartitionId, PrincipalId, RequestId};
use osproxy_etcd::EtcdDirectiveStore;
use osproxy_observe as peer;
use osproxy_observe::DirectiveStore as _;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

const KEY: &str = "conformance";

/// The osproxy-etcd store under test, and the etcd client with which the test publishes sets to it.
struct Etcd {
    store: EtcdDirectiveStore,
    client: Client,
    runtime: Runtime,
    /// The instant at which the clock of osproxy has stopped, one hour before the instant that the
    /// conformance kit uses as the current time.
    began: Instant,
    published: AtomicU64,
}

fn began() -> Timestamp {
    noon() - SignedDuration::from_hours(1)
}

impl Etcd {
    fn connect(endpoint: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let clock = Arc::new(ManualClock::new());
        let began = clock.now();
        let (store, client) = runtime.block_on(async {
            let client = Client::connect([endpoint], None).await.expect("etcd runs");
            let store = EtcdDirectiveStore::connect(&[endpoint.to_owned()], KEY, clock).await;
            (store.expect("etcd runs"), client)
        });
        Self {
            store,
            client,
            runtime,
            began,
            published: AtomicU64::new(0),
        }
    }

    fn level(
        &self,
        set: &peer::DirectiveSet,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        id: &str,
    ) -> peer::DiagLevel {
        assert_eq!(attrs.endpoint, EndpointKind::Search);
        let tenant = attrs.tenant.map(PartitionId::from);
        let attrs = peer::RequestAttrs {
            tenant: tenant.as_ref(),
            index: attrs.index,
            principal: &PrincipalId::from(attrs.principal),
            endpoint: osproxy_core::EndpointKind::Search,
        };
        let passed = Duration::try_from(now.duration_since(began())).expect("a later time");
        let now = self.began.saturating_add(passed);
        set.evaluate(&attrs, now, &RequestId::from(id))
    }

    /// Writes the value to etcd repeatedly until the store has received it, because the store loses
    /// a change that happens before the store's watch begins.
    async fn put(&self, value: &str, marker: &str) {
        let mut client = self.client.clone();
        let attrs =
            RequestAttrs::new("orders", "checkout", EndpointKind::Search).with_tenant(marker);
        let seen = async {
            while self.level(&self.store.load(), &attrs, noon(), "r") == peer::DiagLevel::Off {
                sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::pin!(seen);
        for _ in 0..60 {
            client.put(KEY, value, None).await.expect("etcd runs");
            if timeout(Duration::from_secs(1), &mut seen).await.is_ok() {
                return;
            }
        }
        panic!("the store never received the value");
    }
}

/// Converts a directive to osproxy's format, which has no field for the start of the directive.
fn encoded(directive: &DiagnosticsDirective) -> Value {
    let left = directive.expires_at.duration_since(began()).as_secs();
    let mut value = json!({
        "id": directive.id,
        "level": directive.level,
        "ttl_secs": left,
        "sample_per_mille": directive.sample_per_mille,
    });
    for (name, target) in [
        ("tenant", &directive.match_.tenant),
        ("index", &directive.match_.index),
        ("principal", &directive.match_.principal),
    ] {
        if let Some(target) = target {
            value[name] = json!(target);
        }
    }
    value
}

impl Subject for Etcd {
    type Set = Arc<peer::DirectiveSet>;

    fn publish(&self, directives: Vec<DiagnosticsDirective>) -> bool {
        let marker = self.published.fetch_add(1, Ordering::Relaxed).to_string();
        let mut values: Vec<Value> = directives.iter().map(encoded).collect();
        // The test adds a directive with a unique tenant to the set, and recognizes by this tenant
        // that the store has received the set.
        values
            .push(json!({"id": "marker", "level": "Shape", "tenant": marker, "ttl_secs": 86_400}));
        let value = json!({ "directives": values }).to_string();
        self.runtime.block_on(self.put(&value, &marker));
        true
    }

    fn load(&self) -> Self::Set {
        self.store.load()
    }

    fn evaluate(
        &self,
        set: &Self::Set,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Decision {
        let mut decision = Decision::default();
        let level = self.level(set, attrs, now, request_id);
        decision.level = level.as_str().parse().expect("a level of both projects");
        decision
    }
}

#[test]
fn the_store_in_etcd_knows_no_start_and_samples_requests_without_an_id() {
    let endpoint = std::env::var("ETCD_URL").expect("ETCD_URL, as scripts/test-etcd sets it");
    let report = Kit::default().check(&Etcd::connect(&endpoint));
    println!("{report}");
    let expected = [Rule::StartAtRead, Rule::NoIdNoSample];
    assert_eq!(report.broken(), expected, "{report}");
}
