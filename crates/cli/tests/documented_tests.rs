//! Checks that every test that SECURITY.md names exists, so that nobody can rename or remove such a
//! test without a change of SECURITY.md.

use std::fs;
use std::path::Path;

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Appends the content of all Rust files under a folder to `text`.
fn read_sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            read_sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *text += &fs::read_to_string(&path).unwrap();
        }
    }
}

#[test]
fn security_md_names_only_tests_that_exist() {
    let document = fs::read_to_string(Path::new(PROJECT).join("SECURITY.md")).unwrap();
    let mut sources = String::new();
    for folder in ["src", "crates", "tests"] {
        read_sources(&Path::new(PROJECT).join(folder), &mut sources);
    }
    let mut checked = 0;
    for line in document.lines().filter(|line| line.starts_with('|')) {
        // The last column of the table in SECURITY.md contains the names of tests. A name in
        // SECURITY.md that ends with two colons is the name of a module of tests.
        let column = line
            .trim_end_matches([' ', '|'])
            .rsplit('|')
            .next()
            .unwrap();
        for name in column.split('`').skip(1).step_by(2) {
            let is_there = match name.strip_suffix("::") {
                Some(module) => sources.contains(&format!("mod {module};")),
                None => {
                    sources.contains(&format!("fn {name}("))
                        || sources.contains(&format!("mod {name};"))
                }
            };
            assert!(is_there, "SECURITY.md names {name}, which is no test");
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} names were found");
}
