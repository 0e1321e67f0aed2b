//! Checks that each test which SECURITY.md names exists, so that a renamed or removed test does not
//! leave a claim without evidence.

use std::fs;
use std::path::Path;

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Adds the text of all Rust sources below a folder.
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
        // The tests are in the last column. A name of a module ends with two colons.
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
