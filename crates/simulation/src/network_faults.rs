//! Injects faults between a refresher and the cluster: lost, delayed, refused and incomplete
//! responses.

use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;

use crate::rest_responses::{Answered, forbidden, json, refusal};
use crate::search::Found;
use crate::server_variants::Shape;
use crate::world::World;
use opensearch_directives::internal::{Request, RequestFailure, Response};

/// How often something goes wrong.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    /// Of a thousand requests.
    faulty: u16,
    /// Of a thousand searches.
    partial: u16,
    /// No node answers at all.
    outage: bool,
    fair: bool,
}

impl Weather {
    pub(crate) fn fair() -> Self {
        Self {
            faulty: 0,
            partial: 0,
            outage: false,
            fair: true,
        }
    }

    pub(crate) fn random(rng: &mut Rng, shape: &Shape) -> Self {
        if !shape.faults {
            return Self::fair();
        }
        Self {
            faulty: [0, 10, 50, 300][rng.usize(..4)],
            partial: [0, 10, 50, 300][rng.usize(..4)],
            outage: false,
            fair: false,
        }
    }

    /// All nodes go away, or come back.
    pub(crate) fn change(&mut self, rng: &mut Rng) {
        if !self.fair {
            self.outage = !self.outage && rng.bool();
        }
    }
}

/// What becomes of a request that a fault hits.
#[derive(Debug)]
pub(crate) enum Sent {
    Answered(Answered),
    /// The answer, as it was made, comes late.
    Late(Answered, Duration),
    Hangs,
    Panics,
}

impl World {
    /// Lets a fault hit a request, perhaps; `answer` makes the true answer.
    pub(crate) fn send(
        &mut self,
        request: &Request,
        answer: impl FnOnce(&mut Self) -> Answered,
    ) -> Sent {
        if self.weather.outage {
            let refused = RequestFailure::Connection("connection refused".into());
            return match self.rng.u8(..3) {
                0 => Sent::Hangs,
                1 => Sent::Answered(Err(refused)),
                _ => Sent::Answered(Ok(refusal(503, "unavailable", "no shard available"))),
            };
        }
        if self.rng.u16(..1000) >= self.weather.faulty {
            return Sent::Answered(answer(self));
        }
        let kind = self.rng.u8(..16);
        self.note(|| format!("fault {kind} hits {}", request.operation()));
        let error = |kind| Sent::Answered(Err(kind));
        let refused = |status, retry_after| {
            let mut answer = refusal(status, "some_exception", "not now");
            answer.retry_after = retry_after;
            Sent::Answered(Ok(answer))
        };
        match kind {
            0 => error(RequestFailure::Connection("reset".into())),
            1 => error(RequestFailure::TooLarge { limit: 100 }),
            2 => Sent::Hangs,
            // The request arrives, the answer does not.
            3 => {
                let _ = answer(self);
                Sent::Hangs
            }
            4 => Sent::Panics,
            5 => refused([502, 503, 504][self.rng.usize(..3)], None),
            6 => refused(429, Some(Duration::from_secs(self.rng.u64(..30)))),
            7 => refused(401, None),
            8 | 9 if self.spares(request) => refused(500, None),
            8 => Sent::Answered(Ok(forbidden())),
            9 => Sent::Answered(Ok(page(404))),
            10 => Sent::Answered(Ok(page(200))),
            11 => Sent::Answered(Ok(json(200, "{}"))),
            12 | 13 => Sent::Answered(answer(self).map(|answer| self.truncate(answer))),
            _ => {
                let late = Duration::from_millis(self.rng.u64(..2_500));
                Sent::Late(answer(self), late)
            }
        }
    }

    /// Whether a refusal of this request would leave nobody to tell a node that was cut
    /// off from one that is well, a copy that lags from one that does not, or one history
    /// of an index from another.
    fn spares(&self, request: &Request) -> bool {
        let is = |part| request.path.contains(part);
        self.shape.cut_off && (is("_mget") || is("_cluster"))
            || self.quirks.no_primary && is("_mget")
            || self.shape.moves && is("_stats")
    }

    fn truncate(&mut self, mut answer: Response) -> Response {
        let end = self.rng.usize(..answer.body.len().max(1));
        answer.body = answer.body.slice(..end.min(answer.body.len()));
        answer
    }

    /// Takes something away from what a search found, perhaps, as a server does that
    /// answers 200 all the same, and says so.
    pub(crate) fn spoil(&mut self, mut found: Found) -> Found {
        if self.rng.u16(..1000) >= self.weather.partial {
            return found;
        }
        let kind = self.rng.u8(..6);
        self.note(|| format!("a search is spoilt: {kind}"));
        let keep = self.rng.usize(..=found.hits.len());
        match kind {
            0 => {
                found.timed_out = true;
                found.hits.truncate(keep);
                found.total = keep;
            }
            1 => {
                let shard = found.shards - 1;
                found.failed = 1;
                found.hits.retain(|hit| hit.shard != shard);
                found.total = found.hits.len();
            }
            2 => found.total += 1,
            // Not of a page: with a total of just what came it would be complete, but for
            // a lie that no server tells, since it counts in the view that it answers from.
            3 if found.total > 0 && found.hits.len() == found.total => found.total -= 1,
            4 => found.relation = "gte",
            _ => {
                found.hits.pop();
            }
        }
        found
    }
}

/// What a load balancer says.
fn page(status: u16) -> Response {
    Response {
        status,
        retry_after: None,
        content_type: Some("text/html".to_owned()),
        body: Bytes::from_static(b"<html><body>Service Temporarily Unavailable</body></html>"),
    }
}
