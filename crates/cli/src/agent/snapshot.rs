//! `GET /v1/snapshot`: all that is published, for the next agent of a chain.

use std::sync::{Arc, Weak};

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use opensearch_directives::{OpenSearchDirectiveStore, Snapshot};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use super::admission::{done, sent_within};
use super::etag::tag;
use super::problem::Problem;
use super::query::only;
use super::router::Agent;

/// The snapshot that was written last.
#[derive(Clone, Debug)]
pub(super) struct Snapshots {
    store: Arc<OpenSearchDirectiveStore>,
    last: Arc<Mutex<Option<Written>>>,
}

#[derive(Clone, Debug)]
struct Written {
    /// Weak, so that it keeps no set alive.
    of: Weak<Snapshot>,
    tag: Arc<str>,
    json: Arc<RawValue>,
}

#[derive(Serialize)]
struct Answer<'a> {
    index: &'a str,
    age_seconds: f64,
    tag: &'a str,
    snapshot: Option<&'a RawValue>,
}

impl Snapshots {
    pub(super) fn new(store: Arc<OpenSearchDirectiveStore>) -> Self {
        Self {
            store,
            last: Arc::default(),
        }
    }

    /// What is published. Written once for each publish, whoever asks.
    async fn now(&self) -> Result<Written, Problem> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        let snapshot = self.store.snapshot();
        if snapshot.revision().is_none() {
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "no complete read yet, or the set was emptied for its age",
            ));
        }
        if let Some(written) = last
            .as_ref()
            .filter(|last| std::ptr::eq(last.of.as_ptr(), Arc::as_ptr(&snapshot)))
        {
            return Ok(written.clone());
        }
        // With the lock: it is written to its end also when who asked has gone.
        let written = done(snapshot.set().len(), move || {
            let json: Arc<RawValue> = snapshot.to_json()?.into();
            let written = Written {
                of: Arc::downgrade(&snapshot),
                tag: tag(json.get().as_bytes()).into(),
                json,
            };
            Ok::<_, serde_json::Error>(last.insert(written).clone())
        });
        Ok(written.await??)
    }
}

/// Leaves out what the client says it knows.
pub(super) async fn get(
    State(agent): State<Agent>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let known = only("known", query.as_deref())?;
    // The age before the snapshot: what is published in between is younger than is said,
    // never older.
    let status = agent.store.status();
    let written = agent.snapshots.now().await?;
    let json = [(header::CONTENT_TYPE, "application/json")];
    let is_new = known.as_deref() != Some(&*written.tag);
    let answer = |written: &Written| {
        serde_json::to_vec(&Answer {
            index: &status.index,
            age_seconds: status.age_seconds.unwrap_or_default(),
            tag: &written.tag,
            snapshot: is_new.then_some(&*written.json),
        })
    };
    if is_new {
        let turn = agent.work.turn().await?;
        return Ok((json, sent_within(turn, answer(&written)?)).into_response());
    }
    Ok((json, answer(&written)?).into_response())
}
