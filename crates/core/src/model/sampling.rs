//! Decides whether a request is in the sample of a directive.
//!
//! Whether a request is sampled depends on the request's id and not on a random number. If a client
//! repeats a request with the same id, either all repetitions are sampled or none is. Every proxy
//! of a fleet samples the same requests for the same directive.
//!
//! osproxy-observe 1.0.5 (`directive.rs`) has the same rule: a request is sampled if the FNV-1a
//! hash (64 bits) of its id, modulo 1000, is lower than the sample rate. Two directives with the
//! same rate always sample the same requests.
//!
//! The only difference from osproxy-observe is a request without an id, which this crate never
//! samples at a rate below 1000 per mille. In osproxy, all requests without an id are sampled at
//! every rate of 38 per mille or more, because osproxy hashes the empty string.

/// The sample rate, in per mille, at which every request is in the sample.
pub(crate) const ALWAYS: u16 = 1000;

/// Returns true if the request with the given id is sampled at the given rate. To check several
/// rates for the same request, use [`Sampler`], which hashes the id only once.
pub(crate) fn is_sampled(sample_per_mille: u16, request_id: &str) -> bool {
    Sampler::new(request_id).contains(sample_per_mille)
}

/// Checks for several sample rates whether one request is sampled. A `Sampler` hashes the id of the
/// request at most once.
pub(crate) struct Sampler<'a> {
    request_id: &'a str,
    bucket: Option<u16>,
}

impl<'a> Sampler<'a> {
    #[inline]
    pub(crate) fn new(request_id: &'a str) -> Self {
        Self {
            request_id,
            bucket: None,
        }
    }

    /// Returns true if the request is sampled at the given rate.
    #[inline]
    pub(crate) fn contains(&mut self, sample_per_mille: u16) -> bool {
        sample_per_mille >= ALWAYS || self.bucket() < sample_per_mille
    }

    #[inline(never)]
    fn bucket(&mut self) -> u16 {
        *self.bucket.get_or_insert_with(|| bucket(self.request_id))
    }
}

/// Returns the bucket of a request: a number from 0 to 999, or 1000 if the request has no id. A
/// request is sampled at every rate that is higher than its bucket.
fn bucket(request_id: &str) -> u16 {
    if request_id.is_empty() {
        return ALWAYS;
    }
    // The remainder of a division by 1000 always fits into a `u16`.
    u16::try_from(fnv1a_64(request_id.as_bytes()) % u64::from(ALWAYS)).unwrap_or(ALWAYS)
}

/// Returns the 64-bit FNV-1a hash of the given bytes. The IETF draft `draft-eastlake-fnv` defines
/// the offset basis and the prime of the FNV-1a hash.
fn fnv1a_64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv1a_64() {
        // The test vectors of the hash function are from draft-eastlake-fnv, appendix C.
        assert_eq!(fnv1a_64(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a_64(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a_64(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_rate_of_zero_samples_no_request_and_a_rate_of_a_thousand_every_request() {
        for n in 0..2_000 {
            let request_id = format!("request-{n}");
            assert!(!is_sampled(0, &request_id));
            assert!(is_sampled(1000, &request_id));
            assert!(is_sampled(u16::MAX, &request_id));
        }
    }

    #[test]
    fn the_sample_of_a_higher_rate_contains_that_of_a_lower_rate() {
        for n in 0..2_000 {
            let request_id = format!("request-{n}");
            let bucket = bucket(&request_id);
            assert!(bucket < ALWAYS);
            assert!(!is_sampled(bucket, &request_id));
            assert!(is_sampled(bucket + 1, &request_id));
        }
    }

    #[test]
    fn a_request_without_an_id_is_in_no_sample() {
        for rate in 0..ALWAYS {
            assert!(!is_sampled(rate, ""), "in a sample of {rate} per mille");
        }
        assert!(is_sampled(ALWAYS, "") && is_sampled(u16::MAX, ""));
    }
}
