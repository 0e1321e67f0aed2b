//! Finds out whether the security plugin hides documents or fields from the user. The index
//! statistics count all documents, but a search finds only the documents that the user's role
//! permits.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::admin::{DirectivesApi, WriteError};
use crate::http::{Method, Request, segment};

/// The number of documents in the index, once according to the index statistics and once according
/// to a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Visibility {
    /// The number of documents that the index contains, according to the index statistics.
    pub stored: u64,
    /// The number of documents that a search by this user finds.
    pub found: u64,
}

impl Visibility {
    /// Returns true if the user's search finds fewer documents than the index contains, which means
    /// that document-level security hides documents.
    #[must_use]
    pub fn hides_documents(&self) -> bool {
        self.found < self.stored
    }
}

impl DirectivesApi {
    /// Counts all documents of the index, and also the documents that the user's role permits. A
    /// write during the counting can also make the two numbers differ, so the method counts again
    /// before it reports hidden documents.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, or if the user's role does not permit the
    /// index statistics or the search.
    pub async fn visibility(&self) -> Result<Visibility, WriteError> {
        let mut stored = self.stored_documents().await?;
        let mut found = self.found_documents().await?;
        if found < stored {
            // Until the next refresh, the index statistics may count a written document that no
            // search finds yet, so the method waits for two seconds before it counts again.
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            found = self.found_documents().await?;
            stored = stored.min(self.stored_documents().await?);
        }
        Ok(Visibility { stored, found })
    }

    async fn stored_documents(&self) -> Result<u64, WriteError> {
        let path = format!("/{}/_stats/docs", segment(self.index()));
        let stats: Value = self.json(Request::new(Method::Get, path)).await?;
        Ok(stats["_all"]["primaries"]["docs"]["count"]
            .as_u64()
            .unwrap_or_default())
    }

    async fn found_documents(&self) -> Result<u64, WriteError> {
        #[derive(Deserialize)]
        struct Found {
            hits: Hits,
        }
        #[derive(Deserialize)]
        struct Hits {
            total: Total,
        }
        #[derive(Deserialize)]
        struct Total {
            value: u64,
        }
        let path = format!("/{}/_search", segment(self.index()));
        let body = json!({ "size": 0, "track_total_hits": true });
        let request = Request::new(Method::Post, path).json(body.to_string());
        let found: Found = self.json(request).await?;
        Ok(found.hits.total.value)
    }

    /// Returns the fields of directives that are missing from the mapping because field-level
    /// security hides them from the user.
    ///
    /// # Errors
    /// Returns an error if the cluster does not respond, or if the user's role does not permit
    /// reading the mapping.
    pub async fn hidden_fields(&self) -> Result<Vec<String>, WriteError> {
        let path = format!("/{}/_mapping", segment(self.index()));
        let mappings: Value = self.json(Request::new(Method::Get, path)).await?;
        let expected = crate::admin::installer::mapped_fields();
        let shown = |field: &str| {
            let mut indices = mappings
                .as_object()
                .into_iter()
                .flat_map(|map| map.values());
            indices.any(|index| index["mappings"]["properties"].get(field).is_some())
        };
        // If the mapping contains no field of directives at all, the index belongs to another
        // program, so the method reports no hidden fields.
        if !expected.iter().any(|field| shown(field)) {
            return Ok(Vec::new());
        }
        let hidden = expected.into_iter().filter(|field| !shown(field));
        Ok(hidden.collect())
    }
}
