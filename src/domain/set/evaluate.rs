//! Asks the table.

use jiff::Timestamp;

use super::Decision;
use super::ask::Ask;
use super::compiled::Compiled;
use super::index::{Entry, Slot};
use super::record::{Nanos, Record, Shape, target};
use crate::domain::attributes::RequestAttrs;
use crate::domain::sampling::{self, ALWAYS};

/// The combinations of targets that have the tenant: those with odd numbers.
const WITH_TENANT: u16 = 0xaaaa;

impl Compiled {
    #[inline]
    pub(super) fn evaluate(
        &self,
        attrs: &RequestAttrs<'_>,
        now: Timestamp,
        request_id: &str,
    ) -> Decision {
        let index = &self.index;
        let at = Nanos::of(now);
        if at.at_an_end() {
            return self.scan(attrs, now, request_id);
        }
        if at >= index.last_expiry {
            return Decision::default();
        }
        let mut verdict = Verdict::new(request_id);
        verdict.hear(index.wildcards(), at);
        let mut combinations = index.combinations;
        let tenant = if let Some(tenant) = attrs.tenant {
            tenant
        } else {
            combinations &= !WITH_TENANT;
            ""
        };
        if combinations != 0 {
            let hashes = index
                .hasher
                .texts(index.targets, [tenant, attrs.index, attrs.principal]);
            while combinations != 0 {
                let targets = combinations.trailing_zeros();
                combinations &= combinations - 1;
                let shape = Shape::new(targets, attrs.endpoint);
                let found = index.table.find(hashes.of_shape(shape), |slot| {
                    self.is_for(
                        &self.records[slot.record(&index.groups) as usize],
                        shape,
                        attrs,
                    )
                });
                if let Some(slot) = found {
                    self.consider(*slot, at, &mut verdict);
                }
            }
        }
        if !self.beside.overflow.is_empty() {
            self.scan_overflow(attrs, now, &mut verdict);
        }
        verdict.ask.decision()
    }

    /// Whether the directive sets exactly the targets of this shape and the request
    /// has its texts.
    #[inline]
    pub(super) fn is_for(&self, record: &Record, shape: Shape, attrs: &RequestAttrs<'_>) -> bool {
        if record.shape() != shape {
            return false;
        }
        let text = |bit: u32| match bit {
            target::TENANT => attrs.tenant.unwrap_or_default(),
            target::INDEX => attrs.index,
            _ => attrs.principal,
        };
        let texts = shape.targets() & target::TEXTS;
        match shape.texts() {
            0 => true,
            1 => self.texts.is(record.key, text(texts)),
            _ => self.targets.get(record.key as usize).is_some_and(|places| {
                [target::TENANT, target::INDEX, target::PRINCIPAL]
                    .into_iter()
                    .zip(places)
                    .all(|(bit, &place)| texts & bit == 0 || self.texts.is(place, text(bit)))
            }),
        }
    }

    #[inline]
    fn consider(&self, slot: Slot, at: Nanos, verdict: &mut Verdict<'_>) {
        if let Some(group) = slot.group() {
            verdict.hear(self.index.entries(group), at);
        } else {
            let record = &self.records[slot.record(&[]) as usize];
            if at < record.expires() {
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
    request_id: &'a str,
    /// The request's place in the samples, once it was needed.
    place: Option<u16>,
}

impl<'a> Verdict<'a> {
    #[inline]
    fn new(request_id: &'a str) -> Self {
        Self {
            ask: Ask::NOTHING,
            request_id,
            place: None,
        }
    }

    /// Takes in the entries that apply, latest expiry first.
    #[inline]
    fn hear(&mut self, entries: &[Entry], at: Nanos) {
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
        if !self.ask.covers(ask) && self.is_sampled(sample_per_mille) {
            self.ask = self.ask.and(ask);
        }
    }

    #[inline]
    fn is_sampled(&mut self, sample_per_mille: u16) -> bool {
        if sample_per_mille >= ALWAYS {
            return true;
        }
        let request_id = self.request_id;
        *self
            .place
            .get_or_insert_with(|| sampling::bucket(request_id))
            < sample_per_mille
    }
}
