//! Evaluates a request against a compiled directive set. For each combination of target fields that
//! the directives use, an evaluation looks up the directives whose targets equal the attributes of
//! the request. An evaluation merges the effects of the directives that apply, and counts a match
//! for each directive that matches.

use jiff::Timestamp;

use super::Compiled;
use super::decision::Effects;
use super::instant::{Instant, instant};
use super::lookup_table::{END, chain};
use super::shape::{Shape, target};
use crate::hits::{Counting, SetHits};
use crate::model::request::RequestAttrs;
use crate::model::sampling::{self, Sampler};

/// A bit mask of the combinations of target fields that include the tenant. Each combination of
/// target fields has a number, which is odd if the combination includes the tenant.
const WITH_TENANT: u16 = 0xaaaa;
/// A bit mask of all combinations of target fields.
pub(super) const ALL_COMBINATIONS: u16 = u16::MAX;
/// A bit mask of the combinations of target fields that include the index.
pub(super) const WITH_INDEX: u16 = 0xcccc;
const TENANT_ONLY: u16 = 1 << target::TENANT;
const _: () = assert!(target::TENANT == 1 && target::INDEX == 2);

impl Compiled {
    #[inline]
    pub(super) fn evaluate(
        &self,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
        counting: &Counting,
    ) -> Effects {
        let has_active = !self.end.has_passed(now);
        let (table, directives, now) = (&self.table, &self.directives, instant(now));
        if has_active && table.combinations != TENANT_ONLY {
            return self.evaluate_all(attrs, now, request_id, counting);
        }
        if has_active
            && attrs.tenant.is_some()
            && let Some(first) = table.find(directives, Shape::TENANT, attrs)
        {
            let record = &directives.records[first as usize];
            if record.next != END {
                return self.evaluate_key(first, now, request_id, counting);
            }
            if record.expires() > now && directives.has_started(first as usize, now) {
                let is_sampled = sampling::is_sampled(record.sample_per_mille, request_id);
                if let Some(hits) = counting.hits() {
                    hits.count(first as usize, is_sampled, now.0);
                }
                if is_sampled {
                    return record.effects;
                }
            }
        }
        Effects::default()
    }

    #[inline(never)]
    fn evaluate_key(
        &self,
        first: u32,
        now: Instant,
        request_id: &str,
        counting: &Counting,
    ) -> Effects {
        let mut sampler = Sampler::new(request_id);
        match counting.hits() {
            None => self.merge(first, Effects::default(), now, &mut sampler),
            Some(hits) => self.merge_and_count(first, Effects::default(), now, &mut sampler, hits),
        }
    }

    #[inline(never)]
    fn evaluate_all(
        &self,
        attrs: &RequestAttrs<'_>,
        now: Instant,
        request_id: &str,
        counting: &Counting,
    ) -> Effects {
        let mut effects = Effects::default();
        let mut sampler = Sampler::new(request_id);
        let mut merge = |first| {
            effects = match counting.hits() {
                None => self.merge(first, effects, now, &mut sampler),
                Some(hits) => self.merge_and_count(first, effects, now, &mut sampler, hits),
            };
        };
        if let Some(first) = self.table.wildcards {
            merge(first);
        }
        self.for_each_key(self.table.combinations & !1, attrs, merge);
        effects
    }

    /// Merges the effects of the directives that apply and have the same key as `first`, that is,
    /// the same targets.
    #[inline]
    fn merge(
        &self,
        first: u32,
        mut effects: Effects,
        now: Instant,
        sampler: &mut Sampler<'_>,
    ) -> Effects {
        let mut number = first as usize;
        while let Some(record) = self.directives.records.get(number)
            && !record.is_superfluous
            && record.expires() > now
        {
            if !effects.covers(record.effects)
                && self.directives.has_started(number, now)
                && sampler.contains(record.sample_per_mille)
            {
                effects = effects.and(record.effects);
            }
            number = record.next as usize;
        }
        effects
    }

    /// Merges effects as [`merge`](Self::merge) does, and also counts a match for each directive
    /// that matches. `merge_and_count` also reads superfluous directives, because requests can
    /// match them, too.
    #[inline(never)]
    fn merge_and_count(
        &self,
        first: u32,
        mut effects: Effects,
        now: Instant,
        sampler: &mut Sampler<'_>,
        hits: &SetHits,
    ) -> Effects {
        self.for_each_of_key(first, now, sampler, Some(hits), |number| {
            effects = effects.and(self.directives.records[number].effects);
        });
        effects
    }

    /// Calls `visit` with the position of each directive that applies and uses one of the given
    /// `combinations` of target fields.
    pub(super) fn for_each_applying(
        &self,
        combinations: u16,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
        counting: &Counting,
        mut visit: impl FnMut(usize),
    ) {
        if self.end.has_passed(now) {
            return;
        }
        let now = instant(now);
        let mut sampler = Sampler::new(request_id);
        self.for_each_key(self.table.combinations & combinations, attrs, |first| {
            self.for_each_of_key(first, now, &mut sampler, counting.hits(), &mut visit);
        });
    }

    /// Reads each directive that has the same key as `first`, that is, the same targets. The method
    /// calls `visit` with the index of each directive that applies, and counts a match for each
    /// directive that matches.
    #[inline]
    fn for_each_of_key(
        &self,
        first: u32,
        now: Instant,
        sampler: &mut Sampler<'_>,
        hits: Option<&SetHits>,
        mut visit: impl FnMut(usize),
    ) {
        for number in chain(&self.directives, first) {
            let record = &self.directives.records[number];
            if record.expires() <= now {
                // In the list of directives with the same key, the superfluous ones come last,
                // sorted by expiry, latest first. If a superfluous directive has expired, all
                // directives after it in the list have expired, too.
                if record.is_superfluous {
                    break;
                }
            } else if self.directives.has_started(number, now) {
                let is_sampled = sampler.contains(record.sample_per_mille);
                if let Some(hits) = hits {
                    hits.count(number, is_sampled, now.0);
                }
                if is_sampled {
                    visit(number);
                }
            }
        }
    }

    /// Calls `visit` with the first directive of each key whose targets equal the attributes of the
    /// request. The bit mask `left` contains the combinations of target fields that the method
    /// still has to look up.
    #[inline]
    fn for_each_key(&self, mut left: u16, attrs: &RequestAttrs<'_>, mut visit: impl FnMut(u32)) {
        if attrs.tenant.is_none() {
            left &= !WITH_TENANT;
        }
        while left != 0 {
            #[expect(clippy::cast_possible_truncation, reason = "below 16")]
            let shape = Shape::new(left.trailing_zeros() as u8, attrs.endpoint);
            if let Some(first) = self.table.find(&self.directives, shape, attrs) {
                visit(first);
            }
            left &= left - 1;
        }
    }
}
