//! The transport that replaces HTTP in the simulation. The transport sends the requests of a client
//! to the simulated cluster, and can hide details of the responses.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::network_faults::Sent;
use crate::rest_responses::respond;
use crate::world::World;
use opensearch_directives::Clock;
use opensearch_directives::internal::{Request, RequestFailure, Response, Transport};

/// The message of the panics that the simulation injects.
pub(crate) const INJECTED_PANIC: &str = "injected by the simulation";

/// A shared handle to the simulated world.
#[derive(Clone)]
pub(crate) struct Wire {
    world: Arc<Mutex<World>>,
    lie: Option<Lie>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    pub(crate) fn new(world: World, lie: Option<Lie>) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            lie,
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn rewritten(&self, mut response: Response) -> Response {
        if let Some(lie) = self.lie {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            response.body = Bytes::from(lie.rewrite(body));
        }
        response
    }
}

impl Transport for Wire {
    fn send<'a>(
        &'a self,
        node: usize,
        request: &'a Request,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Response, RequestFailure>> {
        let sent = {
            let mut world = self.world();
            world.refresh_on_time();
            world.stir();
            let sent = world.send(request, |world| respond(world, node, request));
            world.note(|| {
                format!(
                    "node {node}: {} gives {}",
                    request.operation(),
                    brief(&sent)
                )
            });
            world.stir();
            sent
        };
        async move {
            match sent {
                Sent::Response(result) => result.map(|response| self.rewritten(response)),
                Sent::Late(result, late) => {
                    tokio::time::sleep(late).await;
                    result.map(|response| self.rewritten(response))
                }
                Sent::Hangs => std::future::pending().await,
                // The simulation injects the panic with `resume_unwind`, so that the panic hook
                // does not print the panic.
                Sent::Panics => std::panic::resume_unwind(Box::new(INJECTED_PANIC)),
            }
        }
        .boxed()
    }
}

fn brief(sent: &Sent) -> String {
    match sent {
        Sent::Response(Ok(response)) | Sent::Late(Ok(response), _) => {
            let body = String::from_utf8_lossy(&response.body);
            format!("{} {body}", response.status)
        }
        other => format!("{other:?}"),
    }
}

impl Clock for Wire {
    fn now(&self) -> Timestamp {
        self.world().now()
    }
}

/// A detail of the responses that the network hides from a refresher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lie {
    /// The network hides that a response is incomplete.
    NoPartial,
    /// The network hides that the configured name refers to another index than before.
    NoIdentity,
}

impl Lie {
    pub(crate) fn rewrite(self, body: String) -> String {
        match self {
            Self::NoPartial => body
                .replace("\"timed_out\":true", "\"timed_out\":false")
                .replace(
                    "\"successful\":0,\"failed\":1",
                    "\"successful\":1,\"failed\":0",
                )
                .replace(
                    "\"successful\":1,\"failed\":1",
                    "\"successful\":2,\"failed\":0",
                ),
            Self::NoIdentity => ["uuid-", "history-"].iter().fold(body, |body, name| {
                let mut parts = body.split(name);
                let first = parts.next().unwrap_or_default().to_owned();
                parts.fold(first, |all, part| {
                    all + name + part.trim_start_matches(|c: char| c.is_ascii_digit())
                })
            }),
        }
    }
}
