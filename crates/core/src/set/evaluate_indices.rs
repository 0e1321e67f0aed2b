//! Evaluates a request that names several indices, and counts a match of a directive without an
//! index only once.

use jiff::Timestamp;

use super::DirectiveSet;
use super::decision::{Decision, Effects};
use super::evaluate::{ALL_COMBINATIONS, WITH_INDEX};
use crate::model::directive::DirectiveRef;
use crate::model::index_names::index_names;
use crate::model::request::RequestAttrs;

impl DirectiveSet {
    /// Evaluates a request for each index that `attrs.index` names.
    pub(super) fn evaluate_each_index<'a>(
        &'a self,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
        applies: &mut impl FnMut(DirectiveRef<'a>),
    ) -> Decision {
        let mut decision = Decision::default();
        let mut combinations = ALL_COMBINATIONS;
        for name in index_names(attrs.index) {
            let attrs = RequestAttrs {
                index: &name,
                ..*attrs
            };
            let of_index =
                self.evaluate_combinations(combinations, &attrs, now, request_id, applies);
            decision = decision | of_index;
            // The evaluation for the first index has already included the directives without an
            // index, so the evaluations for further indices omit them.
            combinations = WITH_INDEX;
        }
        decision
    }

    /// Evaluates a request against the directives that use one of the given `combinations` of
    /// target fields.
    pub(super) fn evaluate_combinations<'a>(
        &'a self,
        combinations: u16,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
        applies: &mut impl FnMut(DirectiveRef<'a>),
    ) -> Decision {
        let mut decision = Decision::default();
        let Some(compiled) = &self.compiled else {
            return decision;
        };
        let visit = |position| {
            if let Some(directive) = compiled.directives.get(position) {
                decision = decision | Effects::of(directive).decision();
                applies(directive);
            }
        };
        compiled.for_each_applying(combinations, attrs, now, request_id, &self.counting, visit);
        decision
    }
}
