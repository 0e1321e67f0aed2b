//! The documents that changed, and a mirror with them applied.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::steps::is_suspect;
use super::{Mirror, Other, Suspect};
use crate::document::{DecodeLimits, decode};
use crate::domain::{DiagnosticsDirective, Digest, DirectiveSetBuilder};
use crate::hits::{Collect, Hit, Incomplete};

/// The documents that a read for changes gave.
#[derive(Debug)]
pub(crate) struct Delta {
    limits: DecodeLimits,
    changes: BTreeMap<Box<str>, Change>,
}

#[derive(Debug)]
struct Change {
    seq_no: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Directive(Box<DiagnosticsDirective>),
    Other(Other),
}

impl Delta {
    pub(crate) fn new(limits: DecodeLimits) -> Self {
        Self {
            limits,
            changes: BTreeMap::new(),
        }
    }

    /// Whether no document came.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// What of the changes may be a step back from a mirror, as
    /// [`suspects_in`](Mirror::suspects_in) finds it in a view: applied, they delete
    /// nothing.
    pub(crate) fn suspects_against(&self, mirror: &Mirror) -> Vec<Suspect> {
        self.changes
            .iter()
            .filter(|(id, change)| is_suspect(mirror.seq_no(id), change.seq_no))
            .map(|(id, change)| Suspect {
                id: id.as_ref().to_owned(),
                seq_no: Some(change.seq_no),
            })
            .collect()
    }

    /// The mirror with the changes applied; `None` if it has them all already.
    ///
    /// Whether that is all that changed, only the fingerprints tell: a deletion is in no
    /// answer.
    pub(crate) fn apply_to(mut self, mirror: &Mirror) -> Option<Mirror> {
        self.changes
            .retain(|id, change| mirror.seq_no(id) != Some(change.seq_no));
        if self.changes.is_empty() {
            return None;
        }
        let mut others = mirror.others.clone();
        let mut digest = mirror.digest;
        let mut built = Built::with_capacity(mirror.seq_nos.len() + self.changes.len());
        let mut changes = self.changes.into_iter().peekable();
        let mut apply =
            |id: Box<str>, change: Change, built: &mut Built, digest: &mut Digest| match change
                .content
            {
                Content::Directive(directive) => {
                    others.remove(&id);
                    *digest = digest.with(directive.as_ref().as_ref());
                    built.push(directive.as_ref().as_ref(), change.seq_no);
                }
                Content::Other(other) => {
                    others.insert(id, other);
                }
            };
        // Both are ordered by id.
        for (directive, &seq_no) in mirror.set.iter().zip(&mirror.seq_nos) {
            let mut replaced = false;
            while let Some((id, change)) = changes.next_if(|(id, _)| id.as_ref() <= directive.id) {
                replaced = id.as_ref().cmp(directive.id) == Ordering::Equal;
                apply(id, change, &mut built, &mut digest);
            }
            if replaced {
                digest = digest.without(directive);
            } else {
                built.push(directive, seq_no);
            }
        }
        for (id, change) in changes {
            apply(id, change, &mut built, &mut digest);
        }
        Some(Mirror::new(
            built.builder.build(),
            digest,
            built.seq_nos,
            others,
        ))
    }
}

/// A set and its numbers, in the making.
struct Built {
    builder: DirectiveSetBuilder,
    seq_nos: Vec<u64>,
}

impl Built {
    fn with_capacity(directives: usize) -> Self {
        Self {
            builder: DirectiveSetBuilder::with_capacity(directives),
            seq_nos: Vec::with_capacity(directives),
        }
    }

    fn push(&mut self, directive: crate::domain::DirectiveRef<'_>, seq_no: u64) {
        self.builder.push(directive);
        self.seq_nos.push(seq_no);
    }
}

impl Collect for Delta {
    fn take(&mut self, hit: &Hit<'_>) -> Result<(), Incomplete> {
        let other = |rejection| {
            Content::Other(Other {
                seq_no: hit.seq_no,
                rejection,
            })
        };
        let content = match decode(&hit.id, hit.source.get(), &self.limits) {
            Ok(document) if document.is_revoked() => other(None),
            Ok(document) => Content::Directive(Box::new(document.directive().to_directive())),
            Err(rejection) => other(Some(rejection)),
        };
        let change = Change {
            seq_no: hit.seq_no,
            content,
        };
        match self.changes.insert(hit.id.as_ref().into(), change) {
            None => Ok(()),
            Some(_) => Err(Incomplete::Repeated),
        }
    }
}
