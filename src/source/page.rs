//! One page of a read: checked, and its documents given on.

use crate::hits::{Hit, Incomplete, SearchAnswer};

/// Takes the documents of a read, one by one.
pub(crate) trait Collect: Send + 'static {
    /// `Err` ends the read.
    fn take(&mut self, hit: &Hit<'_>) -> Result<(), Incomplete>;
}

pub(super) struct Page<C> {
    pub(super) collector: C,
    pub(super) pit_id: Option<String>,
    pub(super) total: u64,
    pub(super) read: u64,
    /// Where the next page begins.
    pub(super) next: Option<serde_json::Value>,
}

pub(super) enum PageError {
    Json(serde_json::Error),
    Incomplete(Incomplete),
    TooMany(u64),
}

/// Checks one page and gives its documents to the collector; unless there are more than
/// `only_up_to` in all.
pub(super) fn take_page<C: Collect>(
    body: &[u8],
    mut collector: C,
    cap: u64,
    only_up_to: Option<u64>,
) -> Result<Page<C>, PageError> {
    let mut answer: SearchAnswer<'_> = serde_json::from_slice(body).map_err(PageError::Json)?;
    let pit_id = answer.pit_id.take().map(String::from);
    let (total, hits) = answer.complete().map_err(PageError::Incomplete)?;
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
        next,
    })
}

/// The most bytes that are decoded where they arrive: a fraction of a millisecond.
const DECODE_IN_PLACE: usize = 64 << 10;

/// Runs what takes long on a thread for it, so that tasks that serve requests on the
/// same runtime do not wait.
pub(crate) async fn off_the_runtime<T: Send + 'static>(
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use std::fmt::Write as _;
    use std::time::Duration;

    use super::super::{ConcreteIndex, PAGE};
    use super::*;
    use crate::collector::Collector;
    use crate::document::DecodeLimits;
    use crate::snapshot::Snapshot;

    /// A page as OpenSearch answers it, of directives for a tenant each.
    fn page(ids: std::ops::Range<usize>, total: usize) -> Vec<u8> {
        let mut hits = String::new();
        for n in ids {
            write!(
                hits,
                r#"{{"_id":"d-{n:06}","_seq_no":{n},"_source":{{"level":"Shape","tenant":"tenant-{n:06}","sample_per_mille":1000,"ring_buffer":false,"capture":false,"expires_at":"2030-01-01T12:15:00Z","created_at":"2030-01-01T12:00:00Z","updated_at":"2030-01-01T12:00:00Z","updated_by":"ann"}},"sort":[{n}]}},"#
            )
            .unwrap();
        }
        hits.pop();
        format!(
            r#"{{"timed_out":false,"_shards":{{"total":1,"successful":1,"failed":0}},"hits":{{"total":{{"value":{total},"relation":"eq"}},"hits":[{hits}]}}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn decoding_takes_at_most_twice_what_came_and_what_is_kept() {
        const DIRECTIVES: usize = 100_000;
        let bodies: Vec<Vec<u8>> = (0..DIRECTIVES)
            .step_by(PAGE)
            .map(|begin| page(begin..begin + PAGE, DIRECTIVES))
            .collect();
        let body = bodies.iter().map(Vec::len).sum::<usize>();
        let limits = DecodeLimits {
            now: "2030-01-01T12:00:00Z".parse().unwrap(),
            max_ttl: Duration::from_hours(1),
        };
        let mut snapshot = Snapshot::default();
        let used = allocation_counter::measure(|| {
            let mut collector = Collector::new(limits);
            for body in &bodies {
                let Ok(page) = take_page(body, collector, DIRECTIVES as u64, None) else {
                    panic!("a page is refused");
                };
                collector = page.collector;
            }
            let index = ConcreteIndex {
                name: "directives".to_owned(),
                uuid: "u".to_owned(),
                shards: 1,
            };
            snapshot = collector
                .finish(index, DIRECTIVES as u64, limits.now)
                .unwrap();
        });
        assert_eq!(snapshot.set.len(), DIRECTIVES);
        // All pages are held here; a read lets go of each before it asks for the next.
        let kept = allocation_counter::measure(|| snapshot = Snapshot::default());
        let kept = usize::try_from(-kept.bytes_current).unwrap();
        let peak = usize::try_from(used.bytes_max).unwrap();
        println!("body {body}, kept {kept}, peak beside the body {peak} bytes");
        assert!(
            body + peak <= 2 * (body + kept),
            "body {body}, kept {kept}, peak {peak}"
        );
    }
}
