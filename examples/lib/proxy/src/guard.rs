//! Refuses requests whose path names the directives index. A client that could read the directives
//! index would learn who is observed and why. A client that could write to the directives index
//! could make the proxy capture any request.
//!
//! **The guard is only a second line of defence.** The path does not show which index the body of a
//! request names (`_bulk`, `_mget`, `_msearch`, `_reindex`, `_aliases`, SQL). Only OpenSearch
//! permissions protect the directives index completely, as the README explains.

/// The body of the response (status 403) to a request that the guard refuses.
pub const FORBIDDEN_BODY: &str =
    r#"{"error":"this request may include the directives index; name other indices in the path"}"#;

/// The path segments that begin a document API. After a segment that begins a document API, a path
/// can name a document, but no further index.
const DOCUMENT_APIS: [&str; 7] = [
    "_doc",
    "_create",
    "_update",
    "_source",
    "_explain",
    "_termvectors",
    "_search",
];

/// The path segments that begin a search API. A request searches every index if its path names no
/// index before the segment of a search API.
const SEARCHES: [&str; 6] = [
    "_search",
    "_count",
    "_field_caps",
    "_msearch",
    "_rank_eval",
    "_validate",
];

/// Returns true if a request with this path can access the directives index or a related index
/// (such as the history or the fleet). The name of each related index begins with the name of the
/// directives index and a hyphen.
///
/// A request can access the directives index if its path names this index, even percent-encoded or
/// in a list, or if a wildcard in its path matches the index. A search can also access the index if
/// its path names no index at all. `is_protected` also returns true for every path with date math
/// (`<...>`).
#[must_use]
pub fn is_protected(path: &str, index: &str) -> bool {
    let segments: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(decode)
        .collect();
    match segments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // The guard permits paths without an index. A path with a scroll or a point in time is
        // safe, because the guard has already checked the earlier request that created the scroll
        // or the point in time.
        [] | ["_nodes" | "_tasks", ..] | ["_search", "scroll" | "point_in_time", ..] => false,
        [api, ..] if SEARCHES.contains(&api) => true,
        [first, api, ..] if !is_api(first) && DOCUMENT_APIS.contains(&api) => {
            includes(first, index)
        }
        ref all => all.iter().any(|segment| includes(segment, index)),
    }
}

fn is_api(segment: &str) -> bool {
    segment.starts_with('_') && segment != "_all"
}

/// Returns true if one of the index expressions in a list refers to the directives index.
fn includes(expressions: &str, index: &str) -> bool {
    expressions.split(',').any(|expression| {
        // The guard ignores the name of a remote cluster before the colon, because an administrator
        // can configure a cluster as its own remote cluster.
        let name = expression.rsplit(':').next().unwrap_or(expression);
        let name = name.trim().trim_start_matches(['+', '-']);
        let related = format!("{index}-");
        name == "_all"
            || name.contains('<')
            || name == index
            || name.starts_with(&related)
            || name.starts_with(&format!(".ds-{related}"))
            || name.contains('*') && could_match(name, index)
    })
}

/// Returns true if a wildcard pattern matches the directives index, its history or its fleet.
fn could_match(pattern: &str, index: &str) -> bool {
    matches(pattern.as_bytes(), index.as_bytes())
        || matches(pattern.as_bytes(), format!("{index}-history").as_bytes())
        || matches(pattern.as_bytes(), format!("{index}-fleet").as_bytes())
        || matches(
            pattern.as_bytes(),
            format!(".ds-{index}-history-0").as_bytes(),
        )
}

/// Returns true if a pattern, in which `*` stands for any string, matches a name. The worst-case
/// time of the match is proportional to the length of the pattern multiplied by the length of the
/// name.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, seen));
            at += 1;
        } else if pattern.get(at) == Some(&name[seen]) {
            at += 1;
            seen += 1;
        } else if let Some((star_at, star_seen)) = star {
            // After a mismatch, the function lets the last `*` of the pattern match one more
            // character of the name, and continues the comparison after this character.
            star = Some((star_at, star_seen + 1));
            at = star_at + 1;
            seen = star_seen + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// Decodes the percent-encoding (`%xx`) in a path segment. The function does not change an invalid
/// sequence, because OpenSearch refuses a path with such a sequence anyway.
fn decode(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = (bytes[at] == b'%')
            .then(|| segment.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_include_the_index_are_refused() {
        for path in [
            "/directives",
            "/directives/",
            "//directives/_search",
            "/directives/_doc/a",
            "/%64irectives/_search",
            "/orders,directives/_search",
            "/orders%2Cdirectives/_search",
            "/direct*/_search",
            "/*/_search",
            "/*es/_count",
            "/d*r*c*s/_search",
            "/_all/_search",
            "/_search",
            "/_count",
            "/*,-orders/_search",
            "/here:directives/_search",
            "/%3Cdirectives%3E/_search",
            "/orders,%20directives/_search",
            "/directives-history/_search",
            "/directives-fl*/_search",
            "/.ds-directives-history-000001/_search",
            "/_cat/indices/directives",
            "/_cluster/state/metadata/directives",
            "/orders/_clone/directives",
            "/_validate/query",
        ] {
            assert!(is_protected(path, "directives"), "{path}");
        }
    }

    #[test]
    fn other_paths_pass() {
        for path in [
            "/",
            "/orders/_search",
            "/orders/_doc/directives",
            "/orders/_doc/_all",
            "/orders,items/_search",
            "/orders*/_search",
            "/direct/_search",
            "/directives2/_search",
            "/*orders/_search",
            "/_bulk",
            "/_cat/indices",
            "/_cluster/health",
            "/_search/scroll",
            "/_nodes/_all/stats",
            "/orders/_search/point_in_time",
            "/%zz/_search",
        ] {
            assert!(!is_protected(path, "directives"), "{path}");
        }
    }
}
