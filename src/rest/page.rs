//! One page of a read: checked, and its documents given on.

use crate::rest::{Aggregates, Collect, Complete, Incomplete, SearchAnswer};

pub(crate) struct Page<C> {
    pub(crate) collector: C,
    pub(crate) pit_id: Option<String>,
    pub(crate) total: u64,
    pub(crate) read: u64,
    pub(crate) aggregates: Option<Aggregates>,
    /// The highest primary term that one of the documents was written in.
    pub(crate) term: Option<u64>,
    /// Where the next page begins.
    pub(crate) next: Option<serde_json::Value>,
}

pub(crate) enum PageError {
    Json(serde_json::Error),
    Incomplete(Incomplete),
    TooMany(u64),
}

/// Checks one page and gives its documents to the collector; unless there are more than
/// `only_up_to` in all.
pub(crate) fn take_page<C: Collect>(
    body: &[u8],
    mut collector: C,
    cap: u64,
    only_up_to: Option<u64>,
) -> Result<Page<C>, PageError> {
    let mut answer: SearchAnswer<'_> = serde_json::from_slice(body).map_err(PageError::Json)?;
    let pit_id = answer.pit_id.take().map(String::from);
    let Complete {
        total,
        hits,
        aggregates,
    } = answer.complete().map_err(PageError::Incomplete)?;
    if total > cap {
        return Err(PageError::TooMany(total));
    }
    if only_up_to.is_none_or(|most| total <= most) {
        for hit in &hits {
            collector.take(hit).map_err(PageError::Incomplete)?;
        }
    }
    let next = hits
        .last()
        .and_then(|hit| hit.sort)
        .map(|sort| serde_json::from_str(sort.get()))
        .transpose()
        .map_err(PageError::Json)?;
    Ok(Page {
        collector,
        pit_id,
        total,
        read: hits.len() as u64,
        term: hits.iter().filter_map(|hit| hit.primary_term).max(),
        aggregates,
        next,
    })
}

/// The most bytes that are decoded where they arrive: a fraction of a millisecond.
const DECODE_IN_PLACE: usize = 64 << 10;

/// What work on so many directives counts like, in the bytes that are decoded as fast.
pub fn weight_of(directives: usize) -> usize {
    directives.saturating_mul(100)
}

/// Runs what takes long on a thread for it, so that tasks that serve requests on the
/// same runtime do not wait.
pub async fn off_the_runtime<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes <= DECODE_IN_PLACE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The poll's own guard reports it.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being shut down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}
