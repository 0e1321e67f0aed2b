//! Computes the `ETag` of a response from its content, and compares it with `If-None-Match`.

use axum::http::{HeaderMap, header};
use opensearch_directives::internal::Hex;
use sha2::{Digest as _, Sha256};

/// Computes a tag of 32 hexadecimal digits from the content of a response. Agents return the same
/// tag for the same content, because the tag depends only on the content.
pub(super) fn content_tag(bytes: &[u8]) -> String {
    Hex(&Sha256::digest(bytes)[..16]).to_string()
}

/// Returns true if the header `If-None-Match` contains the tag, either unchanged or in a form to
/// which a proxy has changed it.
///
/// A proxy that compresses a response changes its entity tag: the proxy marks the tag as weak, or
/// appends a suffix such as `-gzip`. A header value that contains the tag always refers to the
/// tagged content, because the tag is a hash of 128 bits.
pub(super) fn names_tag(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.trim() == "*" || value.contains(tag))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_tag_is_recognised_in_every_form_in_which_proxies_return_it() {
        let tag = content_tag(b"content");
        assert_eq!(tag.len(), 32);
        let named = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.append(header::IF_NONE_MATCH, "\"other\"".parse().unwrap());
            headers.append(header::IF_NONE_MATCH, value.parse().unwrap());
            names_tag(&headers, &tag)
        };
        for form in [
            format!("\"{tag}\""),
            format!("W/\"{tag}\""),
            // Apache's mod_deflate and mod_brotli, Jetty and Caddy change entity tags to the forms
            // from `-gzip` to `/zstd`. Some proxies remove the quotes of an entity tag.
            format!("\"{tag}-gzip\""),
            format!("\"{tag}-br\""),
            format!("\"{tag};gzip\""),
            format!("W/\"{tag}--gzip\""),
            format!("W/\"{tag}/zstd\""),
            tag.clone(),
            format!("\"other\", \"{tag}\""),
            "*".to_owned(),
        ] {
            assert!(named(&form), "{form}");
        }
        let other = content_tag(b"other");
        for form in ["", "\"\"", "W/\"\"", "\"gzip\"", &other, &tag[1..]] {
            assert!(!named(form), "{form}");
        }
    }
}
