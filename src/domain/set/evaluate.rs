//! Asks the table.

use std::hint::cold_path;

use jiff::Timestamp;

use super::Decision;
use super::ask::Ask;
use super::compiled::{Compiled, places};
use super::index::{Entry, KeyHashes, Slot};
use super::record::{Nanos, Record, Shape, target};
use crate::domain::attributes::RequestAttrs;
use crate::domain::sampling::{self, ALWAYS};

/// The combinations of targets that have the tenant: those with odd numbers.
const WITH_TENANT: u16 = 0xaaaa;

impl Compiled {
    /// Most requests match nothing. They end in this function, which is therefore
    /// kept small; what follows a candidate is in [`decide`](Self::decide).
    pub(super) fn evaluate(
        &self,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Decision {
        let index = &self.index;
        let at = Nanos::of(now);
        if at >= index.last_expiry {
            return self.after_the_last(attrs, now, request_id);
        }
        if !index.only_tenants {
            return self.evaluate_any(attrs, now, request_id);
        }
        let Some(tenant) = attrs.tenant else {
            return Decision::default();
        };
        let hash = index.hasher.tenant(tenant);
        if !index.filter.may_have(hash) {
            return Decision::default();
        }
        self.decide_tenant(tenant, hash, at, attrs, now, request_id)
    }

    /// Decides where every directive targets a tenant and nothing else.
    #[inline(never)]
    fn decide_tenant(
        &self,
        tenant: &str,
        hash: u64,
        at: Nanos,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Decision {
        if at.at_an_end() {
            return self.scan(attrs, now, request_id);
        }
        let index = &self.index;
        let slot = index.table.find(hash, |slot| {
            let record = &self.records[slot.record(&index.groups) as usize];
            self.texts.is(record.key, tenant)
        });
        let Some(&slot) = slot else {
            return Decision::default();
        };
        if let Some(group) = slot.group() {
            let mut verdict = Verdict::new(at, request_id);
            verdict.hear(index.entries(group));
            return verdict.ask.decision();
        }
        let record = &self.records[slot.record(&[]) as usize];
        if at >= record.expires() {
            return Decision::default();
        }
        if !sampling::is_sampled(record.sample_per_mille(), request_id) {
            // Makes this a branch: the processor then goes on while it hashes the id,
            // where it would wait if the decision were computed from the hash.
            cold_path();
            return Decision::default();
        }
        record.ask().decision()
    }

    /// Evaluates whatever the directives target.
    #[inline(never)]
    fn evaluate_any(&self, attrs: &RequestAttrs<'_>, now: Timestamp, request_id: &str) -> Decision {
        let index = &self.index;
        let mut left = index.combinations;
        if attrs.tenant.is_none() {
            left &= !WITH_TENANT;
        }
        let hashes = index.hasher.attributes(index.targets, attrs);
        if !index.has_unkeyed {
            loop {
                if left == 0 {
                    return Decision::default();
                }
                let shape = Shape::new(left.trailing_zeros(), attrs.endpoint);
                if index.filter.may_have(hashes.of_shape(shape)) {
                    break;
                }
                left &= left - 1;
            }
        }
        self.decide(attrs, now, request_id, &hashes, left)
    }

    /// Decides by the directives that target every request, and those of the
    /// combinations of targets in `left`.
    #[inline(never)]
    fn decide(
        &self,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
        hashes: &KeyHashes,
        mut left: u16,
    ) -> Decision {
        let at = Nanos::of(now);
        if at.at_an_end() {
            return self.scan(attrs, now, request_id);
        }
        let index = &self.index;
        let mut verdict = Verdict::new(at, request_id);
        if !index.wildcards().is_empty() {
            verdict.hear(index.wildcards());
        }
        while left != 0 {
            let shape = Shape::new(left.trailing_zeros(), attrs.endpoint);
            left &= left - 1;
            let hash = hashes.of_shape(shape);
            if !index.filter.may_have(hash) {
                continue;
            }
            let slot = index.table.find(hash, |slot| {
                let record = &self.records[slot.record(&index.groups) as usize];
                self.is_for(record, shape, attrs)
            });
            if let Some(slot) = slot {
                self.consider(*slot, &mut verdict);
            }
        }
        if !self.beside.overflow.is_empty() {
            self.scan_overflow(attrs, now, &mut verdict);
        }
        verdict.ask.decision()
    }

    /// Nothing applies any more, unless the instant only looks like that.
    #[cold]
    fn after_the_last(
        &self,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Decision {
        if Nanos::of(now).at_an_end() {
            return self.scan(attrs, now, request_id);
        }
        Decision::default()
    }

    /// Whether the directive sets exactly the targets of this shape and the request
    /// has its texts.
    #[inline]
    pub(super) fn is_for(&self, record: &Record, shape: Shape, attrs: &RequestAttrs<'_>) -> bool {
        if record.shape() != shape {
            return false;
        }
        let texts = shape.targets() & target::TEXTS;
        if texts == target::TENANT {
            return self.texts.is(record.key, attrs.tenant.unwrap_or_default());
        }
        self.has_texts(record, texts, attrs)
    }

    /// Whether the request has the texts that the record targets.
    #[inline(never)]
    fn has_texts(&self, record: &Record, texts: u32, attrs: &RequestAttrs<'_>) -> bool {
        let [tenant, index, principal] = places(record, &self.targets);
        let is = |bit: u32, place: u32, text: &str| texts & bit == 0 || self.texts.is(place, text);
        is(target::TENANT, tenant, attrs.tenant.unwrap_or_default())
            && is(target::INDEX, index, attrs.index)
            && is(target::PRINCIPAL, principal, attrs.principal)
    }

    #[inline]
    fn consider(&self, slot: Slot, verdict: &mut Verdict<'_>) {
        if let Some(group) = slot.group() {
            verdict.hear(self.index.entries(group));
        } else {
            let record = &self.records[slot.record(&[]) as usize];
            if verdict.at < record.expires() {
                verdict.add(record.ask(), record.sample_per_mille());
            }
        }
    }

    /// What a look at every directive gives.
    #[cold]
    fn scan(&self, attrs: &RequestAttrs<'_>, now: Timestamp, request_id: &str) -> Decision {
        self.iter()
            .filter(|directive| directive.applies(attrs, now, request_id))
            .fold(Decision::default(), Decision::and)
    }

    #[cold]
    fn scan_overflow(&self, attrs: &RequestAttrs<'_>, now: Timestamp, verdict: &mut Verdict<'_>) {
        for directive in &self.beside.overflow {
            let directive = directive.as_ref();
            if directive.is_active(now) && directive.matches(attrs) {
                verdict.add(Ask::of(directive), directive.sample_per_mille);
            }
        }
    }
}

/// The decision as it grows.
struct Verdict<'a> {
    ask: Ask,
    at: Nanos,
    request_id: &'a str,
    /// The request's place in the samples, once it was needed.
    place: Option<u16>,
}

impl<'a> Verdict<'a> {
    #[inline]
    fn new(at: Nanos, request_id: &'a str) -> Self {
        Self {
            ask: Ask::NOTHING,
            at,
            request_id,
            place: None,
        }
    }

    /// Takes in the entries that apply, latest expiry first.
    #[inline(never)]
    fn hear(&mut self, entries: &[Entry]) {
        let at = self.at;
        for entry in entries {
            if at >= entry.expires {
                break;
            }
            if entry.starts <= at {
                self.add(entry.ask, entry.sample_per_mille);
            }
        }
    }

    /// Takes in a directive that matches and is active.
    #[inline]
    fn add(&mut self, ask: Ask, sample_per_mille: u16) {
        if self.ask.covers(ask) {
            return;
        }
        if !self.is_sampled(sample_per_mille) {
            // A branch, as above.
            cold_path();
            return;
        }
        self.ask = self.ask.and(ask);
    }

    #[inline]
    fn is_sampled(&mut self, sample_per_mille: u16) -> bool {
        sample_per_mille >= ALWAYS || self.place() < sample_per_mille
    }

    #[inline(never)]
    fn place(&mut self) -> u16 {
        *self
            .place
            .get_or_insert_with(|| sampling::bucket(self.request_id))
    }
}
