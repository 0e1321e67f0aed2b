//! House rules that a compiler does not know.

use std::fs;
use std::path::{Path, PathBuf};

/// Which of the crate's modules each may import: only those that stand before it.
/// Those on one line do not know each other, except where a line says so.
const LAYERS: &[&[&str]] = &[
    &["domain", "clock"],
    &["cluster"],
    &["document"],
    &["hits"],
    &["fuzzing"],
    &["config", "status"],
    &["source", "mirror", "snapshot"],
    &["last_good"],
    &["error"],
    &["index", "backoff", "reading", "upstream"],
    &["refresher", "writer"],
    &["opensearch_store"],
    &["metrics", "osproxy"],
    &["lib"],
];

/// What a domain that does no I/O and reads no clock has no use for.
const NOT_IN_DOMAIN: &[&str] = &[
    "tokio",
    "opensearch::",
    "reqwest",
    "std::net",
    "std::fs",
    "std::io",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "tracing",
];

/// A file above this has more than one job.
const LINES_AT_MOST: usize = 450;

fn sources() -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, into: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                into.push((path, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    collect(&root, &mut all);
    assert!(all.len() > 30, "the sources are found");
    all.into_iter()
        .map(|(path, text)| (path.strip_prefix(&root).unwrap().to_owned(), text))
        .collect()
}

/// The top-level module that a file belongs to.
fn module(path: &Path) -> String {
    let first = path
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file, without comments and tests, with line numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number + 1, line))
}

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| layer.contains(&module))
        .unwrap_or_else(|| panic!("src/{module} has no layer; give it one in tests/layers.rs"))
}

#[test]
fn imports_go_downwards() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let from = module(&path);
        if matches!(from.as_str(), "lib" | "main" | "cli")
            || path
                .components()
                .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
        {
            continue;
        }
        for (number, line) in code(&text) {
            for (_, rest) in line
                .match_indices("crate::")
                .map(|(at, _)| line.split_at(at + 7))
            {
                let to: String = rest
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                // Macros, items of `lib.rs` in docs, and the module itself.
                if to.is_empty() || to == from || to.starts_with(char::is_uppercase) {
                    continue;
                }
                if layer(&to) >= layer(&from) {
                    broken.push(format!(
                        "src/{}:{number}: {from} imports {to}",
                        path.display()
                    ));
                }
            }
        }
    }
    assert!(
        broken.is_empty(),
        "move the code, or the layer:\n{}",
        broken.join("\n")
    );
}

#[test]
fn the_domain_does_no_io_and_reads_no_clock() {
    for (path, text) in sources() {
        if module(&path) != "domain" {
            continue;
        }
        for (number, line) in code(&text) {
            for banned in NOT_IN_DOMAIN {
                assert!(
                    !line.contains(banned),
                    "src/{}:{number}: {banned}: the domain takes time and data as arguments",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn the_command_uses_only_the_public_library() {
    for (path, text) in sources() {
        if module(&path) != "cli" {
            continue;
        }
        for (number, line) in code(&text) {
            assert!(
                !line.contains("crate::") && !line.contains("#[path"),
                "src/{}:{number}: import from `opensearch_directives`, or from `super`",
                path.display()
            );
        }
    }
}

#[test]
fn files_are_small() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(
            lines <= LINES_AT_MOST,
            "src/{} has {lines} lines; split it",
            path.display()
        );
    }
}
