//! Evaluates a request: looks up every key that the request has, and merges the effects of the
//! directives that apply.

use jiff::Timestamp;

use super::Compiled;
use super::key_hash::KeyHashes;
use super::lookup_table::Slot;
use super::packed_directives::{Shape, target};
use super::packed_effects::Effects;
use crate::model::request::RequestAttrs;
use crate::model::sampling::{self, Sampler};

/// The combinations of targets that include the tenant, as a bit mask. These combinations have odd
/// numbers.
const WITH_TENANT: u16 = 0xaaaa;
const TENANT_ONLY: u16 = 1 << target::TENANT;
const _: () = assert!(target::TENANT == 1);

impl Compiled {
    #[inline]
    pub(super) fn evaluate(
        &self,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Effects {
        let table = &self.table;
        if self.end.has_passed(now) {
            return Effects::NONE;
        }
        let tenant = attrs
            .tenant
            .filter(|_| table.combinations & TENANT_ONLY != 0);
        let found = tenant.and_then(|tenant| table.find_tenant(&self.directives, tenant));
        if table.combinations & !TENANT_ONLY != 0 {
            return self.evaluate_all(found, attrs, now, request_id);
        }
        match found {
            None => Effects::NONE,
            Some(slot) => self.evaluate_slot(slot, now, request_id),
        }
    }

    #[inline(never)]
    fn evaluate_slot(&self, slot: Slot, now: Timestamp, request_id: &str) -> Effects {
        match slot {
            Slot::Single(number) => self.evaluate_single(number as usize, now, request_id),
            Slot::Group(_) => self.evaluate_group(slot, now, request_id),
        }
    }

    #[inline]
    fn evaluate_single(&self, number: usize, now: Timestamp, request_id: &str) -> Effects {
        let record = &self.directives.records()[number];
        if record.expires.is_after(now)
            && self.directives.has_started(number, now)
            && sampling::is_sampled(record.sample_per_mille, request_id)
        {
            record.effects
        } else {
            Effects::NONE
        }
    }

    #[inline(never)]
    fn evaluate_group(&self, slot: Slot, now: Timestamp, request_id: &str) -> Effects {
        let mut evaluation = Evaluation {
            effects: Effects::NONE,
            now,
            sampler: Sampler::new(request_id),
        };
        self.merge_slot(slot, &mut evaluation);
        evaluation.effects
    }

    #[inline(never)]
    fn evaluate_all(
        &self,
        tenant: Option<Slot>,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Effects {
        let mut evaluation = Evaluation {
            effects: Effects::NONE,
            now,
            sampler: Sampler::new(request_id),
        };
        if let Some(slot) = tenant {
            self.merge_slot(slot, &mut evaluation);
        }
        if let Some(slot) = self.table.wildcards {
            self.merge_slot(slot, &mut evaluation);
        }
        let others = self.table.combinations & !(TENANT_ONLY | 1);
        if others != 0 {
            self.for_each_slot(others, attrs, evaluation.now, |slot| {
                self.merge_slot(slot, &mut evaluation);
            });
        }
        evaluation.effects
    }

    #[inline(never)]
    fn merge_slot(&self, slot: Slot, evaluation: &mut Evaluation<'_>) {
        let [decisive, _] = self.members(&slot);
        self.for_each_active(decisive, evaluation.now, |number| {
            let record = &self.directives.records()[number];
            if !evaluation.effects.covers(record.effects)
                && evaluation.sampler.contains(record.sample_per_mille)
            {
                evaluation.effects = evaluation.effects.merge(record.effects);
            }
        });
    }

    /// Calls `visit` with the index of each directive that applies.
    pub(super) fn for_each_applying(
        &self,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
        mut visit: impl FnMut(usize),
    ) {
        let mut sampler = Sampler::new(request_id);
        self.for_each_slot(self.table.combinations, attrs, now, |slot| {
            for members in self.members(&slot) {
                self.for_each_active(members, now, |number| {
                    if sampler.contains(self.directives.records()[number].sample_per_mille) {
                        visit(number);
                    }
                });
            }
        });
    }

    /// Calls `visit` with the slot of each key that the request has.
    #[inline]
    fn for_each_slot(
        &self,
        mut left: u16,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        mut visit: impl FnMut(Slot),
    ) {
        let table = &self.table;
        if self.end.has_passed(now) {
            return;
        }
        if attrs.tenant.is_none() {
            left &= !WITH_TENANT;
        }
        let hashes = KeyHashes::new(&table.state, table.targets, attrs);
        while left != 0 {
            #[expect(clippy::cast_possible_truncation, reason = "below 16")]
            let targets = left.trailing_zeros() as u8;
            let shape = Shape::new(targets, attrs.endpoint);
            left &= left - 1;
            let hash = hashes.of_shape(shape);
            if let Some(slot) = table.find(&self.directives, hash, shape, attrs) {
                visit(slot);
            }
        }
    }

    /// Returns the decisive and the superfluous directives of a slot.
    #[inline]
    fn members<'a>(&'a self, slot: &'a Slot) -> [&'a [u32]; 2] {
        match slot {
            Slot::Single(number) => [std::slice::from_ref(number), &[]],
            Slot::Group(group) => self.table.members(*group),
        }
    }

    /// Calls `visit` with the index of each directive that has started. It stops at the first
    /// expired directive, because all later ones have also expired.
    #[inline]
    fn for_each_active(&self, members: &[u32], now: Timestamp, mut visit: impl FnMut(usize)) {
        for &number in members {
            let number = number as usize;
            if !self.directives.records()[number].expires.is_after(now) {
                break;
            }
            if self.directives.has_started(number, now) {
                visit(number);
            }
        }
    }
}

/// The state of the evaluation of one request.
struct Evaluation<'a> {
    effects: Effects,
    now: Timestamp,
    sampler: Sampler<'a>,
}
