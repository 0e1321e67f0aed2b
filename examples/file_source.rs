//! Shows how a program can read directives from a JSON file instead of an index. The file maps the
//! ids of directives to their stored documents. The store polls the file and publishes changed
//! directives. If the file becomes unreadable, the store keeps the last good set published.
//!
//! ```sh
//! cargo run --example file_source -- directives.json
//! ```

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use opensearch_directives::document::{DecodeLimits, decode};
use opensearch_directives::source::{
    PollFuture, Polled, PublishedState, ReadError, SnapshotSource,
};
use opensearch_directives::status::Revision;
use opensearch_directives::{
    Config, DirectiveSetBuilder, DirectiveStore as _, OpenSearchDirectiveStore, Snapshot,
};
use serde_json::value::RawValue;

#[derive(Debug)]
struct FileSource {
    path: PathBuf,
    max_ttl: Duration,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

impl FileSource {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Reads the whole file of directives, and makes the poll fail if the file is not complete
    /// JSON.
    async fn read(&self, published: PublishedState<'_>) -> Result<Polled, Cause> {
        let text = tokio::fs::read_to_string(&self.path).await?;
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let generation = hasher.finish();
        if published.generation == Some(generation) {
            return Ok(Polled::unchanged(generation, published.now));
        }
        let snapshot = self.decode(&text, published.now)?;
        Ok(Polled::changed(generation, snapshot, published.now))
    }

    /// Decodes the documents of the file, and rejects each invalid document without an effect on
    /// the valid documents.
    fn decode(&self, text: &str, now: Timestamp) -> Result<Snapshot, Cause> {
        let documents: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
        let limits = DecodeLimits {
            now,
            max_ttl: self.max_ttl,
        };
        let mut builder = DirectiveSetBuilder::default();
        let mut rejections = Vec::new();
        for (id, document) in &documents {
            match decode(id, document.get(), &limits) {
                Ok(document) if document.is_revoked() => {}
                Ok(document) => builder.push(document.directive()),
                Err(rejection) => rejections.push(rejection),
            }
        }
        let mut revision = Revision::new(self.name(), self.name());
        revision.documents = documents.len() as u64;
        Ok(Snapshot::new(builder.build()?, revision, now).with_rejections(rejections))
    }
}

impl SnapshotSource for FileSource {
    fn poll<'a>(&'a mut self, published: PublishedState<'a>) -> PollFuture<'a> {
        Box::pin(async move {
            let polled = self.read(published).await;
            polled.map_err(|cause| ReadError::of_source(&self.name(), cause))
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or("directives.json".into());
    let config = Config::for_source(&path);
    let source = FileSource {
        path: Path::new(&path).to_owned(),
        max_ttl: config.max_ttl,
    };
    let (store, refresher) = OpenSearchDirectiveStore::build_from(config, source)?;
    tokio::spawn(refresher.run());
    store.ready(Duration::from_secs(10)).await?;
    println!("{} directives", store.load().len());
    for rejection in store.status().rejected {
        println!("{} is rejected: {rejection}", rejection.id());
    }
    Ok(())
}
