//! Tests the adapter that passes this project's directives to osproxy. This file contains the clock
//! and the requests that several test files use.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod follower;
mod same_decisions;
mod store_conformance;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use osproxy_core::{Clock, Instant, ManualClock, PartitionId, PrincipalId, RequestId};
use osproxy_observe as peer;

use super::convert_types;
use opensearch_directives::{Decision, DirectiveSet, EndpointKind, RequestAttrs};

/// osproxy's manual clock, whose wall clock a test can set forward or back.
#[derive(Debug, Default)]
struct TestClock {
    manual: ManualClock,
    ahead: AtomicI64,
}

impl TestClock {
    /// Sets the wall clock forward by the given number of nanoseconds, or back if the number is
    /// negative.
    fn jump(&self, nanos: i64) {
        self.ahead.fetch_add(nanos, Ordering::Relaxed);
    }

    fn today(&self) -> Timestamp {
        Timestamp::from_nanosecond(self.unix_nanos().into()).unwrap()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        self.manual.now()
    }

    fn unix_nanos(&self) -> u64 {
        self.manual
            .unix_nanos()
            .saturating_add_signed(self.ahead.load(Ordering::Relaxed))
    }
}

/// A request that the tests evaluate both with osproxy's set and with this project's set.
#[derive(Clone, Copy, Debug)]
struct Request<'a> {
    tenant: Option<&'a str>,
    index: &'a str,
    principal: &'a str,
    endpoint: EndpointKind,
    id: &'a str,
}

impl Request<'_> {
    fn ours(&self, set: &DirectiveSet, now: Timestamp) -> Decision {
        let mut attrs = RequestAttrs::new(self.index, self.principal, self.endpoint);
        attrs.tenant = self.tenant;
        set.evaluate(&attrs, now, self.id)
    }

    /// Returns osproxy's decision about the request, converted to this project's type.
    fn peers(&self, set: &peer::DirectiveSet, now: Instant) -> Decision {
        let tenant = self.tenant.map(PartitionId::from);
        let attrs = peer::RequestAttrs {
            tenant: tenant.as_ref(),
            index: self.index,
            principal: &PrincipalId::from(self.principal),
            endpoint: convert_types::endpoint(self.endpoint).unwrap(),
        };
        let id = RequestId::from(self.id);
        let mut decision = Decision::default();
        decision.level = set.evaluate(&attrs, now, &id).as_str().parse().unwrap();
        decision.ring_buffer = set.wants_ring_buffer(&attrs, now, &id);
        decision.capture = set.wants_capture(&attrs, now, &id);
        decision
    }
}

/// A search request of the tenant `acme`.
const ACME: Request<'static> = Request {
    tenant: Some("acme"),
    index: "orders",
    principal: "checkout",
    endpoint: EndpointKind::Search,
    id: "request-1",
};

fn at(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanos.into()).unwrap()
}

fn nanos(count: u64) -> Duration {
    Duration::from_nanos(count)
}
