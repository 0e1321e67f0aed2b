//! Tests that `Endpoint::of` and osproxy assign the same class of endpoint to a path. The test
//! tries every path of up to four segments from a list of words that `Endpoint::of` or osproxy
//! distinguishes.

use opensearch_directives::Endpoint;
use osproxy_spi::HttpMethod;
use osproxy_transport::classify;

const METHODS: [(&str, HttpMethod); 5] = [
    ("GET", HttpMethod::Get),
    ("PUT", HttpMethod::Put),
    ("POST", HttpMethod::Post),
    ("DELETE", HttpMethod::Delete),
    ("HEAD", HttpMethod::Head),
];

/// The segments from which the test builds paths, such as names of indices and documents, words
/// from osproxy's paths, and words from other REST paths.
#[rustfmt::skip]
const SEGMENTS: [&str; 20] = [
    "", "orders", "a,b", "_all", "_doc", "_create", "_update", "_search", "scroll",
    "point_in_time", "_count", "_mget", "_msearch", "_bulk", "_delete_by_query", "_cat",
    "_cluster", "_nodes", "_sql", "_mapping",
];

#[test]
fn the_classification_equals_that_of_osproxy() {
    let mut compared = 0;
    let paths = |prefixes: &[String]| -> Vec<String> {
        let longer = prefixes.iter();
        longer
            .flat_map(|prefix| SEGMENTS.map(|segment| format!("{prefix}/{segment}")))
            .collect()
    };
    let mut prefixes = vec![String::new()];
    for _ in 0..4 {
        prefixes = paths(&prefixes);
        for path in &prefixes {
            for (name, method) in METHODS {
                let (ours, theirs) = (Endpoint::of(name, path), classify(method, path));
                assert_eq!(
                    ours.kind().as_str(),
                    theirs.endpoint.as_str(),
                    "{name} {path}"
                );
                assert_eq!(
                    ours.index_expression(),
                    theirs.logical_index,
                    "{name} {path}"
                );
                compared += 1;
            }
        }
    }
    println!("{compared} requests compared");
}
