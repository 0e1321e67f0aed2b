//! The refreshers' way into the world.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::answers::answer;
use super::faults::Sent;
use super::flaws::Lie;
use super::world::World;
use crate::clock::Clock;
use crate::http::{Request, RequestFailure, Response, Transport};

/// What a panic says that is a fault of the schedule.
pub(super) const TOLD_TO: &str = "told to";

/// A handle to the world.
#[derive(Clone)]
pub(super) struct Wire {
    world: Arc<Mutex<World>>,
    lie: Option<Lie>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    pub(super) fn new(world: World, lie: Option<Lie>) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            lie,
        }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn rewritten(&self, mut answer: Response) -> Response {
        if let Some(lie) = self.lie {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            answer.body = Bytes::from(lie.rewrite(body));
        }
        answer
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
            world.stir();
            let sent = world.send(request, |world| answer(world, node, request));
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
                Sent::Answered(answered) => answered.map(|answer| self.rewritten(answer)),
                Sent::Late(answered, late) => {
                    tokio::time::sleep(late).await;
                    answered.map(|answer| self.rewritten(answer))
                }
                Sent::Hangs => std::future::pending().await,
                // Without the hook, which would print each.
                Sent::Panics => std::panic::resume_unwind(Box::new(TOLD_TO)),
            }
        }
        .boxed()
    }
}

fn brief(sent: &Sent) -> String {
    match sent {
        Sent::Answered(Ok(answer)) | Sent::Late(Ok(answer), _) => {
            let body = String::from_utf8_lossy(&answer.body);
            format!("{} {body}", answer.status)
        }
        other => format!("{other:?}"),
    }
}

impl Clock for Wire {
    fn now(&self) -> Timestamp {
        self.world().now()
    }
}
