//! Reads the facts about the current index that the ledger needs: the time of its creation, its
//! highest `_seq_no`, and its documents.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::error::Kind;
use super::{History, HistoryError};
use crate::admin::DirectivesApi;
use crate::history::ledger::{IndexFacts, VisibleDocument};
use crate::http::{Method, Request, segment};
use crate::rest::{IndexReader, Probe, ShardCheckpoints};

/// The maximum number of attempts to read the index. An attempt is repeated if the index changes
/// during the attempt.
const ATTEMPTS: usize = 10;
const PAUSE: Duration = Duration::from_millis(300);

/// The uuid of the index, and the time of its creation.
struct Identity {
    uuid: String,
    created_at: Timestamp,
}

impl History {
    /// Reads the facts about the current index. Returns `None` if the configured name refers to no
    /// index.
    ///
    /// The documents and the highest `_seq_no` must belong to one state of the index. If the index
    /// changes during the read, the method reads the documents and the highest `_seq_no` again.
    pub(in crate::history) async fn index_facts(&self) -> Result<Option<IndexFacts>, HistoryError> {
        let api = DirectivesApi::new(self.client.clone());
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let Some(identity) = self.index_identity().await? else {
                return Ok(None);
            };
            let before = self.checkpoints().await?;
            let documents = match api.list().await {
                Ok(documents) => documents,
                Err(error) if error.is_index_not_found() => continue,
                Err(error) => return Err(error.into()),
            };
            let after = self.checkpoints().await?;
            let is_same = identity.uuid == after.uuid && before == after;
            // If the search returns fewer documents than the statistics count, the last writes are
            // not visible yet, so the read is repeated.
            if !is_same || after.documents() != documents.len() as u64 {
                continue;
            }
            let documents = documents.into_iter().filter_map(|stored| {
                let version = stored.version?;
                let audit = stored.document.ok().map(|document| document.audit);
                Some(VisibleDocument {
                    directive: stored.id,
                    term: version.primary_term,
                    number: version.seq_no,
                    updated_at: audit.and_then(|audit| audit.updated_at),
                })
            });
            return Ok(Some(IndexFacts {
                documents: documents.collect(),
                max_seq_no: after.max_seq_no(),
                uuid: identity.uuid,
                created_at: identity.created_at,
            }));
        }
        Err(Kind::Moving(self.client.index().to_owned()).into())
    }

    /// Returns the highest `_seq_no` that the index with the given uuid has assigned; `None` if the
    /// index has assigned no `_seq_no`, or if another index has replaced it.
    pub(in crate::history) async fn highest_number(
        &self,
        uuid: &str,
    ) -> Result<Option<u64>, HistoryError> {
        let now = self.checkpoints().await?;
        Ok(now.max_seq_no().filter(|_| now.uuid == uuid))
    }

    async fn checkpoints(&self) -> Result<ShardCheckpoints, HistoryError> {
        // The session reads only statistics, so it needs no limit for the number of documents.
        let session = IndexReader::new(self.client.clone(), "history", usize::MAX).session();
        match session.probe().await {
            Ok(Probe::Checkpoints(checkpoints)) if checkpoints.shards() == 1 => Ok(checkpoints),
            Ok(Probe::Checkpoints(_) | Probe::Unclear(_)) => {
                Err(Kind::NotOneIndex(self.client.index().to_owned()).into())
            }
            Ok(Probe::Unsupported(reason)) => {
                Err(Kind::NoStatistics(self.client.index().to_owned(), reason).into())
            }
            Err(error) => Err(HistoryError::from(crate::admin::WriteError::from(error))),
        }
    }

    async fn index_identity(&self) -> Result<Option<Identity>, HistoryError> {
        #[derive(Deserialize)]
        struct Index {
            settings: Settings,
        }
        #[derive(Deserialize)]
        struct Settings {
            #[serde(rename = "index.uuid")]
            uuid: String,
            #[serde(rename = "index.creation_date")]
            created_at: String,
        }
        let index = self.client.index();
        let path = format!("/{}/_settings", segment(index));
        let request = Request::new(Method::Get, path).query("flat_settings", "true");
        let found: HashMap<String, Index> = match self.client.json(request).await {
            Ok(found) => found,
            Err(error) if error.is_index_not_found() => return Ok(None),
            Err(error) => return Err(HistoryError::from(crate::admin::WriteError::from(error))),
        };
        let not_one = || HistoryError::from(Kind::NotOneIndex(index.to_owned()));
        let mut found = found.into_iter();
        let (Some((_, Index { settings })), None) = (found.next(), found.next()) else {
            return Err(not_one());
        };
        let millis = settings.created_at.parse().ok();
        let created_at = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        Ok(Some(Identity {
            uuid: settings.uuid,
            created_at: created_at.ok_or_else(not_one)?,
        }))
    }
}
