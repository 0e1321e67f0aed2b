//! Appends records to the data stream of a history, each record at most once. Each call returns for
//! each record whether the record was added, was already present, or was refused.

use std::collections::{BTreeSet, HashSet};

use opensearch::{BulkParts, SearchParts};
use serde_json::{Value, json};
use tracing::warn;

use super::record::{Record, stream_name};
use crate::http::{
    ActionStatus, BulkResponse, Client, Exception, Method, Request, RequestError, segment,
};

/// The parts of a bulk response that the client needs.
const FILTER_PATH: &str = "items.*.status,items.*.error.type,items.*.error.reason,\
                           items.*.error.caused_by.type,items.*.error.caused_by.reason";

/// A search for recorded deletions returns at most `PAGE_SIZE` deletions in one page. The deletions
/// of one batch are compared with at most `MAX_PAGES` pages.
const PAGE_SIZE: usize = 1_000;
const MAX_PAGES: usize = 100;

/// The data stream that contains the history of one index.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    client: Client,
    name: String,
}

/// A record together with the id under which the data stream stores it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) record: Record,
    /// Whether the record is as exact as a record that the client which performed the operation
    /// would make. A recorder's record is less exact if the recorder did not see the preceding
    /// operations on the document.
    pub(crate) is_exact: bool,
}

/// The result of appending one record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Appended {
    /// The bulk request has appended the record to the stream.
    Now,
    /// The stream already contained a record of the operation.
    Before,
    /// The stream will never accept the record, for the reason in the string.
    Refused(String),
    /// The stream does not accept the record now, for the reason in the string, but may accept it
    /// later.
    Failed(String),
}

impl Entry {
    /// Returns the entry for a record, or `None` if the `_seq_no` of the record's operation is not
    /// known.
    pub(crate) fn of_operation(record: Record) -> Option<Self> {
        let id = record.operation()?.record_id();
        Some(Self {
            id,
            record,
            is_exact: true,
        })
    }

    /// Returns the entry for a deletion whose `_seq_no` is not known. `record` contains the
    /// `_seq_no` of the last known operation before the deletion; the id of the entry is derived
    /// from this `_seq_no`. The `_seq_no` of the deletion is higher than `after`, and not higher
    /// than `until`, if `until` is known.
    pub(crate) fn of_unnumbered_deletion(
        mut record: Record,
        after: u64,
        until: Option<u64>,
    ) -> Option<Self> {
        let id = record.operation()?.deletion_id();
        (record.seq_no, record.primary_term) = (None, None);
        (record.seq_no_after, record.seq_no_until) = (Some(after), until);
        Some(Self {
            id,
            record,
            is_exact: false,
        })
    }

    /// Returns the two lines (action and document) with which a bulk request appends this entry's
    /// record.
    fn lines(&self) -> String {
        let action = json!({ "create": { "_id": self.id } });
        let record = serde_json::to_string(&self.record).unwrap_or_default();
        format!("{action}\n{record}\n")
    }

    /// Returns true if this entry is a deletion without a `_seq_no`, and the given record is the
    /// same deletion with its `_seq_no`. A recorded deletion whose `_seq_no` is outside the range
    /// of this entry is another deletion, or was forged to hide the entry's deletion.
    fn is_deletion_of(&self, recorded: &Value) -> bool {
        let record = &self.record;
        let number = recorded["seq_no"].as_u64();
        record.seq_no.is_none()
            && recorded["directive"] == record.directive.as_str()
            && recorded["index_uuid"] == record.index_uuid.as_str()
            && recorded["history_uuid"] == record.history_uuid.as_str()
            && number > record.seq_no_after
            && (record.seq_no_until.is_none() || number <= record.seq_no_until)
    }

    /// Returns the approximate size of the record in a request and in memory, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.lines().len()
    }
}

impl Stream {
    /// Returns the data stream that contains the history of the client's index.
    pub(crate) fn of(client: Client) -> Self {
        let name = stream_name(client.index());
        Self { client, name }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns true if the data stream of this history exists. Callers check the existence of the
    /// data stream before a write, because a write to a missing data stream could create an
    /// ordinary index.
    pub(crate) async fn exists(&self) -> Result<bool, RequestError> {
        Ok(self.backing_indices().await?.is_some())
    }

    /// Returns the uuids of the data stream's backing indices; `None` if the data stream does not
    /// exist.
    pub(super) async fn backing_indices(&self) -> Result<Option<HashSet<String>>, RequestError> {
        const FILTER_PATH: &str = "data_streams.name,data_streams.indices.index_uuid";
        let path = format!("/_data_stream/{}", segment(&self.name));
        let request = Request::new(Method::Get, path).query("filter_path", FILTER_PATH);
        match self.client.json::<Value>(request).await {
            Ok(found) => {
                let stream = &found["data_streams"][0];
                let indices = stream["indices"].as_array().into_iter().flatten();
                let uuids = indices.filter_map(|index| index["index_uuid"].as_str());
                let uuids = uuids.map(str::to_owned).collect();
                Ok((stream["name"] == self.name.as_str()).then_some(uuids))
            }
            Err(error) if error.status() == Some(404) && error.exception().is_some() => Ok(None),
            // If the server does not support data streams, the history counts as not existing.
            Err(error) if matches!(error.status(), Some(400 | 405 | 501)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns, for each entry, whether it is a deletion without a `_seq_no` that the `directives`
    /// command has already recorded with its `_seq_no`.
    pub(crate) async fn known_deletions(
        &self,
        entries: &[Entry],
    ) -> Result<Vec<bool>, RequestError> {
        let unnumbered: Vec<&Record> = entries
            .iter()
            .map(|entry| &entry.record)
            .filter(|record| record.seq_no.is_none())
            .collect();
        let mut known = vec![false; entries.len()];
        if unnumbered.is_empty() {
            return Ok(known);
        }
        let mut body = recorded_deletions(&unnumbered);
        for _ in 0..MAX_PAGES {
            let path = SearchParts::Index(&[&self.name]).url();
            let request = Request::new(Method::Post, path)
                .query("allow_partial_search_results", "false")
                .query("filter_path", "hits.hits._source,hits.hits.sort")
                .json(body.to_string());
            let mut found: Value = self.client.json(request).await?;
            let Value::Array(hits) = found["hits"]["hits"].take() else {
                return Ok(known);
            };
            for (entry, known) in entries.iter().zip(&mut known) {
                *known = *known || hits.iter().any(|hit| entry.is_deletion_of(&hit["_source"]));
            }
            match hits.last() {
                Some(last) if hits.len() >= PAGE_SIZE => {
                    body["search_after"] = last["sort"].clone();
                }
                _ => return Ok(known),
            }
        }
        warn!(
            stream = self.name,
            "more deletions are recorded than a recorder compares; some deletions may be recorded \
             twice"
        );
        Ok(known)
    }

    /// Appends records in one request, and returns the result for each record. If `refresh` is set,
    /// the request also makes the records visible to searches.
    ///
    /// If the mapping refuses a document, the method sends the record again, with the document in a
    /// form that is not searchable.
    pub(crate) async fn append(
        &self,
        entries: &mut [Entry],
        refresh: bool,
    ) -> Result<Vec<Appended>, RequestError> {
        let all: Vec<usize> = (0..entries.len()).collect();
        let mut results = self.create(entries, &all, refresh).await?;
        let again: Vec<usize> = all
            .into_iter()
            .filter(|&at| matches!(results[at], Appended::Refused(_)))
            .filter(|&at| entries[at].record.unindex())
            .collect();
        if !again.is_empty() {
            let repeated = self.create(entries, &again, refresh).await?;
            for (at, result) in again.into_iter().zip(repeated) {
                results[at] = result;
            }
        }
        Ok(results)
    }

    async fn create(
        &self,
        entries: &[Entry],
        chosen: &[usize],
        refresh: bool,
    ) -> Result<Vec<Appended>, RequestError> {
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let body: String = chosen.iter().map(|&at| entries[at].lines()).collect();
        let path = BulkParts::Index(&self.name).url();
        let mut request = Request::new(Method::Post, path).query("filter_path", FILTER_PATH);
        if refresh {
            request = request.query("refresh", "true");
        }
        let request = request.body("application/x-ndjson", body);
        let operation = request.operation();
        let response: BulkResponse<ActionStatus> = self.client.json(request).await?;
        let results = response.results(chosen.len(), operation)?;
        Ok(results
            .iter()
            .map(|result| appended(result.status, result.error.as_ref()))
            .collect())
    }
}

/// Builds the search for recorded deletions that have a `_seq_no` and may be the same operations as
/// the deletions without a `_seq_no` in `unnumbered`.
fn recorded_deletions(unnumbered: &[&Record]) -> Value {
    let values = |field: fn(&Record) -> &str| -> BTreeSet<&str> {
        unnumbered.iter().map(|record| field(record)).collect()
    };
    let lowest = unnumbered
        .iter()
        .filter_map(|record| record.seq_no_after)
        .min();
    // Deletions that are equal in all sort fields are the same operation, so a page of the search
    // may begin between them.
    let sort = ["seq_no", "directive", "index_uuid", "history_uuid"];
    json!({
        "size": PAGE_SIZE,
        "sort": sort.map(|field| json!({ field: { "order": "asc", "missing": "_last" } })),
        "_source": sort,
        "query": { "bool": { "filter": [
            { "term": { "kind": "deleted" } },
            { "terms": { "directive": values(|record| &record.directive) } },
            { "terms": { "index_uuid": values(|record| &record.index_uuid) } },
            { "range": { "seq_no": { "gt": lowest.unwrap_or_default() } } },
        ] } },
    })
}

/// Converts the item of a bulk response that concerns one record into the result of appending this
/// record. A status 4xx of a closed or blocked stream does not count as a refusal, because the
/// stream may accept the record later.
fn appended(status: u16, error: Option<&Exception>) -> Appended {
    let reason = || match error.map(Exception::root_reason) {
        Some(reason) if !reason.is_empty() => reason,
        _ => format!("status {status}"),
    };
    let is_malformed = error.is_some_and(|error| {
        error.is("mapper_parsing_exception")
            || error.is("strict_dynamic_mapping_exception")
            || error.is("illegal_argument_exception")
    });
    match status {
        200 | 201 => Appended::Now,
        409 => Appended::Before,
        400 if is_malformed => Appended::Refused(reason()),
        _ => Appended::Failed(reason()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_forged_deletion_hides_no_later_one() {
        let deletion = json!({
            "@timestamp": "2026-11-27T14:03:00Z", "kind": "deleted", "directive": "d",
            "index_uuid": "I", "history_uuid": "H", "seq_no_after": 4, "seq_no_until": 7,
            "recorded_at": "2026-11-27T14:03:01Z", "recorded_by": "test",
        });
        let entry = Entry {
            id: "e".to_owned(),
            record: serde_json::from_value(deletion).unwrap(),
            is_exact: false,
        };
        let recorded = |number: u64| json!({ "directive": "d", "index_uuid": "I", "history_uuid": "H", "seq_no": number });
        let found: Vec<u64> = [0, 4, 5, 7, 8, 1 << 62]
            .into_iter()
            .filter(|number| entry.is_deletion_of(&recorded(*number)))
            .collect();
        assert_eq!(found, [5, 7]);
    }

    #[test]
    fn a_blocked_stream_is_not_a_refusal() {
        let error = |name: &str| -> Exception {
            serde_json::from_value(json!({ "type": name, "reason": "why" })).unwrap()
        };
        assert_eq!(appended(201, None), Appended::Now);
        assert_eq!(appended(409, None), Appended::Before);
        for (status, name) in [
            (400, "index_closed_exception"),
            (403, "cluster_block_exception"),
            (403, "security_exception"),
            (429, "cluster_block_exception"),
            (503, "unavailable_shards_exception"),
        ] {
            let failed = Appended::Failed("why".to_owned());
            assert_eq!(appended(status, Some(&error(name))), failed, "{name}");
        }
        let refused = Appended::Refused("why".to_owned());
        assert_eq!(
            appended(400, Some(&error("mapper_parsing_exception"))),
            refused
        );
    }
}
