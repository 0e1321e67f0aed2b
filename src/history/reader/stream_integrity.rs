//! Reads the state of the data stream's backing indices, to detect whether records were changed or
//! removed. Each backing index must refuse edits and deletions, and must contain one record for
//! each operation that was performed on it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::Kind;
use super::{History, HistoryError};
use crate::http::{Method, Request, segment};
use crate::rest::Incomplete;

/// The maximum number of attempts to read the statistics. The statistics count the last records
/// only after a refresh, so one attempt may not be enough.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(700);

/// The state of a history's data stream: the backing indices that exist, and those that were
/// deleted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct StreamState {
    /// The backing indices that exist, from the oldest to the newest.
    pub backing: Vec<BackingIndex>,
    /// The generations whose backing indices no longer exist, as ranges of a first and a last
    /// generation. A retention policy, for example, deletes the oldest backing indices.
    pub deleted_generations: Vec<(u64, u64)>,
}

/// One backing index of the data stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct BackingIndex {
    /// The name of the backing index, such as `.ds-directives-history-000001`.
    pub name: String,
    /// Whether the index refuses every edit and deletion (`index.append_only.enabled`).
    pub append_only: bool,
    /// The number of records in the backing index.
    pub records: u64,
    /// The number of operations that the index has performed, including edits and deletions.
    pub operations: u64,
}

impl BackingIndex {
    /// Returns true if the index is append-only and every operation on it has added a record. An
    /// edit or a deletion of a record is an operation that adds no record.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.append_only && self.records == self.operations
    }
}

impl StreamState {
    /// Returns true if every backing index is intact: it is append-only, and no record was edited
    /// or deleted.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.backing.iter().all(BackingIndex::is_intact)
    }

    /// Returns the number of records in all backing indices.
    #[must_use]
    pub fn records(&self) -> u64 {
        let records = self.backing.iter().map(|index| index.records);
        records.fold(0, u64::saturating_add)
    }
}

#[derive(Deserialize)]
struct DataStreams {
    data_streams: Vec<DataStream>,
}

#[derive(Deserialize)]
struct DataStream {
    indices: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    index_name: String,
}

#[derive(Deserialize)]
struct WithSettings {
    settings: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Stats {
    indices: BTreeMap<String, IndexStats>,
}

#[derive(Deserialize)]
struct IndexStats {
    shards: BTreeMap<String, Vec<Copy>>,
}

#[derive(Deserialize)]
struct Copy {
    routing: Routing,
    docs: Docs,
    seq_no: SeqNo,
}

#[derive(Deserialize)]
struct Routing {
    primary: bool,
}

#[derive(Deserialize)]
struct Docs {
    count: u64,
}

#[derive(Deserialize)]
struct SeqNo {
    max_seq_no: i64,
}

impl History {
    /// Reads the state of the data stream and of its backing indices.
    ///
    /// # Errors
    /// Returns an error if the data stream does not exist, or if the role does not permit reading
    /// the stream's settings or statistics.
    pub async fn stream_state(&self) -> Result<StreamState, HistoryError> {
        let mut state = self.read_stream_state().await?;
        for _ in 1..ATTEMPTS {
            let is_visible = |index: &BackingIndex| index.records == index.operations;
            if state.backing.iter().all(is_visible) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            state = self.read_stream_state().await?;
        }
        Ok(state)
    }

    async fn read_stream_state(&self) -> Result<StreamState, HistoryError> {
        let name = segment(&self.stream);
        let streams: DataStreams = self.get(&format!("/_data_stream/{name}"), &[]).await?;
        let Some(stream) = streams.data_streams.into_iter().next() else {
            return Err(Kind::NoStream(self.stream.clone()).into());
        };
        let settings: BTreeMap<String, WithSettings> = self
            .get(&format!("/{name}/_settings"), &[("flat_settings", "true")])
            .await?;
        let filter = "indices.*.shards.*.routing.primary,indices.*.shards.*.docs.count,\
                      indices.*.shards.*.seq_no.max_seq_no";
        let query = [("level", "shards"), ("filter_path", filter)];
        let stats: Stats = self.get(&format!("/{name}/_stats/docs"), &query).await?;
        let backing = stream.indices.into_iter().map(|index| {
            // If the role hides the settings or the statistics of a backing index, the read fails,
            // because this index must not count as intact.
            backing_index(index.index_name, &settings, &stats)
                .ok_or_else(|| self.incomplete(Incomplete::Missing("a backing index")))
        });
        let backing: Vec<BackingIndex> = backing.collect::<Result<_, _>>()?;
        let generations = backing.iter().filter_map(|one| generation(&one.name));
        Ok(StreamState {
            deleted_generations: missing(generations.collect()),
            backing,
        })
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&'static str, &str)],
    ) -> Result<T, HistoryError> {
        let request = query
            .iter()
            .fold(Request::new(Method::Get, path), |request, (key, value)| {
                request.query(key, *value)
            });
        self.client
            .json(request)
            .await
            .map_err(|error| self.failed(error))
    }
}

/// Returns the number at the end of the name of a backing index, such as
/// `.ds-directives-history-000001`.
fn generation(name: &str) -> Option<u64> {
    name.rsplit('-').next()?.parse().ok()
}

/// Returns the ranges of missing numbers: those between 1 and the highest given number that are not
/// given. The function does not enumerate the numbers in a range, because the name of a backing
/// index can end with an arbitrarily high number.
fn missing(mut existing: Vec<u64>) -> Vec<(u64, u64)> {
    existing.sort_unstable();
    let mut ranges = Vec::new();
    let mut expected = 1;
    for number in existing {
        if number > expected {
            ranges.push((expected, number - 1));
        }
        expected = number.saturating_add(1);
    }
    ranges
}

fn backing_index(
    name: String,
    settings: &BTreeMap<String, WithSettings>,
    stats: &Stats,
) -> Option<BackingIndex> {
    let setting = settings
        .get(&name)?
        .settings
        .get("index.append_only.enabled");
    let copies = stats.indices.get(&name)?.shards.values().flatten();
    let primaries: Vec<&Copy> = copies.filter(|copy| copy.routing.primary).collect();
    if primaries.is_empty() {
        return None;
    }
    let operations = primaries
        .iter()
        .map(|copy| copy.seq_no.max_seq_no.saturating_add(1));
    Some(BackingIndex {
        append_only: setting.and_then(serde_json::Value::as_str) == Some("true"),
        name,
        records: primaries
            .iter()
            .map(|copy| copy.docs.count)
            .fold(0, u64::saturating_add),
        operations: operations
            .map(|one| u64::try_from(one).unwrap_or_default())
            .fold(0, u64::saturating_add),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_generations_are_ranges_however_high_the_generations_are() {
        assert_eq!(missing(vec![]), []);
        assert_eq!(missing(vec![1, 2]), []);
        assert_eq!(missing(vec![6, 3, 4, 9]), [(1, 2), (5, 5), (7, 8)]);
        assert_eq!(missing(vec![2, u64::MAX]), [(1, 1), (3, u64::MAX - 1)]);
        assert_eq!(missing(vec![u64::MAX, u64::MAX]), [(1, u64::MAX - 1)]);
        assert_eq!(generation(".ds-directives-history-000012"), Some(12));
    }
}
