//! Which requests a sampled directive applies to.
//!
//! A request's id decides, never chance: a retry of the same request is recorded
//! like the first, and every proxy picks the same requests. The rule is that of
//! osproxy-observe 1.0.5, `directive.rs`: FNV-1a (64 bits) of the id, modulo 1000,
//! below the rate. Two directives of the same rate therefore pick the same requests.

/// The rate at which every request is in the sample.
pub(crate) const ALWAYS: u16 = 1000;

/// Whether a request is in a sample of `sample_per_mille` of a thousand.
pub(crate) fn is_sampled(sample_per_mille: u16, request_id: &str) -> bool {
    sample_per_mille >= ALWAYS || (sample_per_mille > 0 && bucket(request_id) < sample_per_mille)
}

/// The request's place in `0..1000`; it is in every sample of a higher rate.
#[inline(never)]
pub(crate) fn bucket(request_id: &str) -> u16 {
    // Below 1000, so the conversion holds.
    u16::try_from(fnv1a_64(request_id.as_bytes()) % u64::from(ALWAYS)).unwrap_or(u16::MAX)
}

/// FNV-1a, 64 bits; offset basis and prime as in the IETF draft
/// `draft-eastlake-fnv`.
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
        // Test vectors of draft-eastlake-fnv, appendix C.
        assert_eq!(fnv1a_64(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a_64(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a_64(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_rate_of_nought_takes_none_and_of_a_thousand_all() {
        for n in 0..2_000 {
            let request_id = format!("request-{n}");
            assert!(!is_sampled(0, &request_id));
            assert!(is_sampled(1000, &request_id));
            assert!(is_sampled(u16::MAX, &request_id));
        }
    }

    #[test]
    fn a_higher_rate_takes_what_a_lower_one_takes() {
        for n in 0..2_000 {
            let request_id = format!("request-{n}");
            let place = bucket(&request_id);
            assert!(place < ALWAYS);
            assert!(!is_sampled(place, &request_id));
            assert!(is_sampled(place + 1, &request_id));
        }
    }
}
