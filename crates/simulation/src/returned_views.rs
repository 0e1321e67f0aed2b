//! Remembers every view of the index that a search has returned. For each published snapshot, the
//! checks look up the view that the snapshot represents.

use std::collections::HashMap;
use std::sync::Arc;

use crate::document_generator::Content;
use crate::document_write::{Operation, State, documents};
use opensearch_directives::DiagnosticsDirective;
use opensearch_directives::Snapshot;
use opensearch_directives::status::Rejection;

/// One view of an index: the state that searches return from one copy of each shard.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) index: usize,
    pub(crate) shards: Vec<Arc<State>>,
}

/// The key for looking up views: the uuid of the index, the number of documents, the highest
/// `_seq_no` and the sum of all `_seq_no`s. The revision of a published snapshot contains the four
/// values of this key.
type Key = (String, u64, Option<u64>, u64);

#[derive(Debug, Default)]
pub(crate) struct SeenViews {
    /// Whether the refreshers receive the uuid of the index. If the refreshers do not receive the
    /// uuid, the key for looking up views does not contain the uuid either.
    pub(crate) knows_identity: bool,
    views: HashMap<Key, Vec<View>>,
    last: Option<View>,
}

impl View {
    pub(crate) fn operations(&self) -> impl Iterator<Item = &Arc<Operation>> {
        self.shards.iter().flat_map(|state| state.values())
    }

    /// Returns the last operation on a document in this view.
    pub(crate) fn operation(&self, id: &str) -> Option<&Arc<Operation>> {
        self.shards.iter().find_map(|state| state.get(id))
    }

    pub(crate) fn directives(&self) -> impl Iterator<Item = &DiagnosticsDirective> {
        self.shards
            .iter()
            .flat_map(|state| documents(state))
            .filter_map(|(_, document)| match &document.content {
                Content::Directive(directive) => Some(directive),
                _ => None,
            })
    }

    fn malformed(&self) -> Vec<&str> {
        let documents = self.shards.iter().flat_map(|state| documents(state));
        let mut malformed: Vec<_> = documents
            .filter(|(_, document)| document.is_malformed())
            .map(|(operation, _)| operation.id)
            .collect();
        malformed.sort_unstable();
        malformed
    }

    fn same(&self, index: usize, shards: &[Arc<State>]) -> bool {
        self.index == index
            && self.shards.len() == shards.len()
            && self
                .shards
                .iter()
                .zip(shards)
                .all(|(a, b)| Arc::ptr_eq(a, b))
    }

    fn key(&self, uuid: &str) -> Key {
        let (mut count, mut max, mut sum) = (0, None, 0);
        for (operation, _) in self.shards.iter().flat_map(|state| documents(state)) {
            count += 1;
            max = max.max(Some(operation.seq_no));
            sum += operation.seq_no;
        }
        (uuid.to_owned(), count, max, sum)
    }

    /// Returns true if a snapshot has the same directives and rejections as this view.
    pub(crate) fn is_view_of(&self, snapshot: &Snapshot) -> bool {
        let mut directives: Vec<_> = self.directives().collect();
        directives.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut refused: Vec<_> = snapshot.rejections().iter().map(Rejection::id).collect();
        refused.sort_unstable();
        let updated_at = |with_malformed: bool| {
            let documents = self.shards.iter().flat_map(|state| documents(state));
            documents
                .filter(|(_, document)| with_malformed || !document.is_malformed())
                .filter_map(|(_, document)| document.updated_at)
                .max()
        };
        let newest = snapshot.revision().and_then(|r| r.updated_at);
        let mut published: Vec<_> = snapshot.set().iter().collect();
        published.sort_unstable_by(|a, b| a.id.cmp(b.id));
        published.len() == directives.len()
            && published
                .iter()
                .zip(&directives)
                .all(|(a, b)| *a == b.as_ref())
            && refused == self.malformed()
            && (newest == updated_at(true) || newest == updated_at(false))
    }
}

impl SeenViews {
    /// Records a view that a search returned.
    pub(crate) fn show(&mut self, index: usize, uuid: &str, shards: &[Arc<State>]) {
        if self
            .last
            .as_ref()
            .is_some_and(|last| last.same(index, shards))
        {
            return;
        }
        let view = View {
            index,
            shards: shards.to_vec(),
        };
        let key = view.key(if self.knows_identity { uuid } else { "" });
        let known = self.views.entry(key).or_default();
        if !known.iter().any(|known| known.same(index, shards)) {
            known.push(view.clone());
        }
        self.last = Some(view);
    }

    /// Returns the recorded views that have the same content as a published snapshot.
    pub(crate) fn views<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a View> {
        let key = snapshot.revision().map(|revision| {
            let uuid = revision.uuid.as_str();
            let uuid = if self.knows_identity { uuid } else { "" };
            (
                uuid.to_owned(),
                revision.documents,
                revision.max_seq_no,
                revision.sum_seq_no,
            )
        });
        key.and_then(|key| self.views.get(&key))
            .into_iter()
            .flatten()
            .filter(move |view| view.is_view_of(snapshot))
    }
}
