//! Injects faults between a refresher and the cluster: lost, delayed, refused and incomplete
//! responses, and outages.

use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;

use crate::rest_responses::{ResponseResult, forbidden, json, refusal};
use crate::search::Found;
use crate::world::World;
use crate::world_parameters::Shape;
use opensearch_directives::internal::{Request, RequestFailure, Response};

/// The current faults of the network, and the rates at which the network injects faults.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    /// The network injects faults into this number of requests out of 1,000.
    faulty: u16,
    /// The network makes the responses to this number of searches out of 1,000 incomplete.
    partial: u16,
    /// Whether an outage makes all nodes unreachable for the refreshers.
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

    /// Starts or ends an outage of all nodes.
    pub(crate) fn change(&mut self, rng: &mut Rng) {
        if !self.fair {
            self.outage = !self.outage && rng.bool();
        }
    }
}

/// What the client of a request receives: a response, a late response, no response, or a panic.
#[derive(Debug)]
pub(crate) enum Sent {
    Response(ResponseResult),
    /// The client receives the unchanged response after this delay.
    Late(ResponseResult, Duration),
    Hangs,
    Panics,
}

impl World {
    /// Sends a request to the simulated cluster, through a network that may apply a random fault.
    /// The function `respond` produces the response that the client receives if the network applies
    /// no fault.
    pub(crate) fn send(
        &mut self,
        request: &Request,
        respond: impl FnOnce(&mut Self) -> ResponseResult,
    ) -> Sent {
        if self.weather.outage {
            let refused = RequestFailure::Connection("connection refused".into());
            return match self.rng.u8(..3) {
                0 => Sent::Hangs,
                1 => Sent::Response(Err(refused)),
                _ => Sent::Response(Ok(refusal(503, "unavailable", "no shard available"))),
            };
        }
        if self.rng.u16(..1000) >= self.weather.faulty {
            return Sent::Response(respond(self));
        }
        let kind = self.rng.u8(..16);
        self.note(|| format!("fault {kind} hits {}", request.operation()));
        let error = |kind| Sent::Response(Err(kind));
        let refused = |status, retry_after| {
            let mut response = refusal(status, "some_exception", "not now");
            response.retry_after = retry_after;
            Sent::Response(Ok(response))
        };
        match kind {
            0 => error(RequestFailure::Connection("reset".into())),
            1 => error(RequestFailure::TooLarge { limit: 100 }),
            2 => Sent::Hangs,
            // The request reaches the server, but the network loses its response.
            3 => {
                let _ = respond(self);
                Sent::Hangs
            }
            4 => Sent::Panics,
            5 => refused([502, 503, 504][self.rng.usize(..3)], None),
            6 => refused(429, Some(Duration::from_secs(self.rng.u64(..30)))),
            7 => refused(401, None),
            8 | 9 if self.spares(request) => refused(500, None),
            8 => Sent::Response(Ok(forbidden())),
            9 => Sent::Response(Ok(page(404))),
            10 => Sent::Response(Ok(page(200))),
            11 => Sent::Response(Ok(json(200, "{}"))),
            12 | 13 => Sent::Response(respond(self).map(|response| self.truncate(response))),
            _ => {
                let late = Duration::from_millis(self.rng.u64(..2_500));
                Sent::Late(respond(self), late)
            }
        }
    }

    /// Returns true if the network must never refuse the given request with status 403 or 404.
    ///
    /// A refresher needs the responses to `_mget`, `_cluster` and `_stats` requests to detect
    /// cut-off nodes, lagging copies and restored indices. If a random fault would refuse a needed
    /// request with status 403 or 404, the network responds with status 500 instead.
    fn spares(&self, request: &Request) -> bool {
        let is = |part| request.path.contains(part);
        self.shape.cut_off && (is("_mget") || is("_cluster"))
            || self.quirks.no_primary && is("_mget")
            || self.shape.moves && is("_stats")
    }

    fn truncate(&mut self, mut response: Response) -> Response {
        let end = self.rng.usize(..response.body.len().max(1));
        response.body = response.body.slice(..end.min(response.body.len()));
        response
    }

    /// Randomly removes a part of a search result. The incomplete response has status 200, and its
    /// fields report that a part is missing, as in the response of a real server.
    pub(crate) fn remove_a_part(&mut self, mut found: Found) -> Found {
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
            // The fault reduces the total number of hits only if one page contains all documents.
            // If a result has several pages, a total that is too low could make an incomplete read
            // look complete. A real server never returns a page whose total is too low, because it
            // counts the documents of the same view for all pages.
            3 if found.total > 0 && found.hits.len() == found.total => found.total -= 1,
            4 => found.relation = "gte",
            _ => {
                found.hits.pop();
            }
        }
        found
    }
}

/// Returns the error page that a load balancer sends with the given status.
fn page(status: u16) -> Response {
    Response {
        status,
        retry_after: None,
        content_type: Some("text/html".to_owned()),
        body: Bytes::from_static(b"<html><body>Service Temporarily Unavailable</body></html>"),
    }
}
