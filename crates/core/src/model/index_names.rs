//! Splits the part of a path that names indices into single names, as OpenSearch does.

use std::borrow::Cow;

/// Returns the percent-decoded index names of a comma-separated list. A percent-encoded comma also
/// separates two names, because OpenSearch decodes the list before it splits it into names. The
/// function returns one empty name for an empty list.
///
/// The function allocates only for names that contain a percent sign.
pub(crate) fn index_names(list: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let list = rest?;
        let (name, after) = split_once(list);
        rest = after;
        Some(decode(name))
    })
}

/// Returns the first name of a comma-separated list, and the part of the list after the first
/// comma.
fn split_once(list: &str) -> (&str, Option<&str>) {
    let bytes = list.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let length = match byte {
            b',' => 1,
            b'%' if bytes[at..].len() >= 3 && bytes[at + 1..at + 3].eq_ignore_ascii_case(b"2c") => {
                3
            }
            _ => continue,
        };
        return (&list[..at], Some(&list[at + length..]));
    }
    (list, None)
}

/// Decodes the percent-encoded characters of a name. A name with an invalid percent-encoded
/// sequence stays unchanged, because OpenSearch refuses the request anyway.
fn decode(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    decoded(name.as_bytes()).map_or(Cow::Borrowed(name), Cow::Owned)
}

fn decoded(mut encoded: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    while let Some((&first, rest)) = encoded.split_first() {
        let (byte, rest) = match (first, rest) {
            (b'%', &[high, low, ref rest @ ..]) => (digit(high)? << 4 | digit(low)?, rest),
            (b'%', _) => return None,
            _ => (first, rest),
        };
        bytes.push(byte);
        encoded = rest;
    }
    String::from_utf8(bytes).ok()
}

/// Returns the value of a hexadecimal digit, or `None` if the character is not one.
fn digit(character: u8) -> Option<u8> {
    let value = char::from(character).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<Cow<'_, str>> {
        index_names(list).collect()
    }

    #[test]
    fn lists_are_split_and_decoded_as_opensearch_does() {
        for (list, expected) in [
            ("", &[""] as &[_]),
            ("orders", &["orders"]),
            ("a,b,logs-*", &["a", "b", "logs-*"]),
            ("a%2Cb%2cc", &["a", "b", "c"]),
            ("%6Frders", &["orders"]),
            ("%3Clogs-%7Bnow%2Fd%7D%3E", &["<logs-{now/d}>"]),
            ("caf%C3%A9", &["café"]),
            // The sequence `%25` is decoded only once, to a percent sign.
            ("a%252Cb", &["a%2Cb"]),
            ("a,", &["a", ""]),
            // OpenSearch refuses requests with malformed index names, so the test only checks that
            // decoding causes no panic.
            ("%", &["%"]),
            ("a%2", &["a%2"]),
            ("%zz,b", &["%zz", "b"]),
            ("%+1", &["%+1"]),
            ("%ff", &["%ff"]),
            ("%é2C", &["%é2C"]),
        ] {
            assert_eq!(names(list), expected, "{list}");
        }
    }

    #[test]
    fn a_name_without_a_percent_sign_is_borrowed() {
        assert!(
            names("a,b")
                .iter()
                .all(|name| matches!(name, Cow::Borrowed(_)))
        );
    }
}
