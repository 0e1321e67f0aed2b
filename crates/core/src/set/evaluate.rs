//! Asks the table.

use std::hint::cold_path;

use jiff::Timestamp;

use super::compiled::{Compiled, places};
use super::effects::Ask;
use super::hash::KeyHashes;
use super::index::{Entry, Slot};
use super::packed::{Nanos, Record, Shape, target};
use super::short_str::Short;
use crate::model::request::RequestAttrs;
use crate::model::sampling::{self, ALWAYS};

/// The combinations of targets that have the tenant: those with odd numbers.
const WITH_TENANT: u16 = 0xaaaa;

impl Compiled {
    /// Most requests match nothing, where every directive targets a tenant. Those end here,
    /// in the code of the caller: a call would cost them a tenth. The others go on in
    /// functions of their own.
    #[inline]
    pub(super) fn evaluate(
        &self,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Ask {
        let index = &self.index;
        // A second before 1970 is a very high one.
        if now.as_second().cast_unsigned() >= index.shortly_before {
            return self.evaluate_slowly(attrs, now, request_id);
        }
        let Some(tenant) = attrs.tenant else {
            return Ask::NOTHING;
        };
        let Some(short) = Short::of(tenant) else {
            return self.evaluate_slowly(attrs, now, request_id);
        };
        let at = Nanos::wrapping(now);
        if !index.few.is_empty() {
            return index.few.ask_at(short, at);
        }
        let hash = index.hasher.short(short);
        if !index.filter.may_have(hash) {
            return Ask::NOTHING;
        }
        self.evaluate_short(tenant, hash, at, request_id)
    }

    /// Evaluates for a tenant of at most sixteen bytes, of this hash.
    #[inline(never)]
    fn evaluate_short(&self, tenant: &str, hash: u64, at: Nanos, request_id: &str) -> Ask {
        let found = self.index.table.find(hash, |slot, text| {
            self.texts.is_short(text, tenant).then_some(slot)
        });
        self.ask_of(found, at, request_id)
    }

    /// Evaluates at any instant, whatever the directives target.
    #[inline(never)]
    fn evaluate_slowly(&self, attrs: &RequestAttrs<'_>, now: Timestamp, request_id: &str) -> Ask {
        let index = &self.index;
        let Some(at) = Nanos::exactly(now) else {
            return self.scan(attrs, now, request_id);
        };
        if at >= index.last_expiry {
            return Ask::NOTHING;
        }
        if index.only_tenants {
            return self.evaluate_tenant(attrs, at, request_id);
        }
        self.evaluate_any(attrs, at, request_id)
    }

    /// Evaluates where every directive targets a tenant and nothing else.
    #[inline(never)]
    fn evaluate_tenant(&self, attrs: &RequestAttrs<'_>, at: Nanos, request_id: &str) -> Ask {
        let index = &self.index;
        let Some(tenant) = attrs.tenant else {
            return Ask::NOTHING;
        };
        let hash = index.hasher.tenant(tenant);
        let found = index.table.find(hash, |slot, text| {
            self.texts.is(text, tenant).then_some(slot)
        });
        self.ask_of(found, at, request_id)
    }

    /// What is asked by what was found for the tenant.
    #[inline]
    fn ask_of(&self, found: Option<Slot>, at: Nanos, request_id: &str) -> Ask {
        let Some(slot) = found else {
            return Ask::NOTHING;
        };
        let Some(record) = self.records.get(slot.alone()) else {
            return self.ask_of_group(slot, at, request_id);
        };
        let ask = record.ask_at(at);
        if ask == Ask::NOTHING || !sampling::is_sampled(record.sample_per_mille(), request_id) {
            // Makes this a branch: the processor then goes on while it hashes the id,
            // where it would wait if the decision were computed from the hash.
            cold_path();
            return Ask::NOTHING;
        }
        ask
    }

    #[inline(never)]
    fn ask_of_group(&self, slot: Slot, at: Nanos, request_id: &str) -> Ask {
        let mut verdict = Verdict::new(at, request_id);
        if let Some(group) = slot.group() {
            verdict.hear(self.index.entries(group));
        }
        verdict.ask
    }

    /// Evaluates whatever the directives target.
    #[inline(never)]
    fn evaluate_any(&self, attrs: &RequestAttrs<'_>, at: Nanos, request_id: &str) -> Ask {
        let index = &self.index;
        let mut left = index.combinations;
        if attrs.tenant.is_none() {
            left &= !WITH_TENANT;
        }
        let hashes = index.hasher.attributes(index.targets, attrs);
        if !index.has_unkeyed {
            loop {
                if left == 0 {
                    return Ask::NOTHING;
                }
                let shape = Shape::new(left.trailing_zeros(), attrs.endpoint);
                if index.filter.may_have(hashes.of_shape(shape)) {
                    break;
                }
                left &= left - 1;
            }
        }
        self.decide(attrs, at, request_id, &hashes, left)
    }

    /// Decides by the directives that target every request, and those of the
    /// combinations of targets in `left`.
    #[inline(never)]
    fn decide(
        &self,
        attrs: &RequestAttrs<'_>,
        at: Nanos,
        request_id: &str,
        hashes: &KeyHashes,
        mut left: u16,
    ) -> Ask {
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
            let found = index.table.find(hash, |slot, _| {
                let record = self.records.get(slot.record(&index.groups) as usize)?;
                self.is_for(record, shape, attrs).then_some((slot, record))
            });
            if let Some((slot, record)) = found {
                self.consider(slot, record, &mut verdict);
            }
        }
        if !self.beside.overflow.is_empty() {
            self.scan_overflow(attrs, &mut verdict);
        }
        verdict.ask
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
    fn consider(&self, slot: Slot, record: &Record, verdict: &mut Verdict<'_>) {
        if let Some(group) = slot.group() {
            verdict.hear(self.index.entries(group));
        } else if verdict.at < record.expires() {
            verdict.add(record.ask(), record.sample_per_mille());
        }
    }

    /// What a look at every directive gives.
    #[cold]
    #[inline(never)]
    fn scan(&self, attrs: &RequestAttrs<'_>, now: Timestamp, request_id: &str) -> Ask {
        self.iter()
            .filter(|directive| directive.applies(attrs, now, request_id))
            .fold(Ask::NOTHING, |ask, directive| ask.and(Ask::of(directive)))
    }

    #[cold]
    #[inline(never)]
    fn scan_overflow(&self, attrs: &RequestAttrs<'_>, verdict: &mut Verdict<'_>) {
        let now = verdict.at.instant();
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
