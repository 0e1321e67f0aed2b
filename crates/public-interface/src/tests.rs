//! Builds the documentation of each published library as JSON, lists the exported items in it, and
//! compares this list with the checked-in listing of the library.

#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the listing of a library, with one line for each exported item. The listing of a library
/// omits blanket implementations, derived implementations and implementations of auto traits.
fn listing(package: &str, features: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // The test builds the documentation in a separate target directory, because `RUSTC_BOOTSTRAP`
    // would make Cargo rebuild all crates in the shared target directory.
    let target = root.join("target/public-interface");
    let output = Command::new(env!("CARGO"))
        .args([
            "rustdoc",
            "--quiet",
            "--locked",
            "--lib",
            "--package",
            package,
        ])
        .args(["--features", features])
        .args([
            "--",
            "-Zunstable-options",
            "--output-format=json",
            "--cap-lints=allow",
        ])
        .current_dir(&root)
        .env("CARGO_TARGET_DIR", &target)
        // The variable `RUSTC_BOOTSTRAP` lets a stable rustdoc write JSON, which is not a stable
        // output format yet.
        .env("RUSTC_BOOTSTRAP", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "rustdoc of {package} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let json = target
        .join("doc")
        .join(format!("{}.json", package.replace('-', "_")));
    let interface = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .unwrap();
    interface.items().map(|item| format!("{item}\n")).collect()
}

fn listing_file(package: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("listings/{package}.txt"))
}

/// Returns the lines that are in only one of the listings `listed` and `found`, in the format of a
/// diff.
fn difference(listed: &str, found: &str) -> String {
    let gone = listed
        .lines()
        .filter(|line| !found.lines().any(|l| l == *line));
    let new = found
        .lines()
        .filter(|line| !listed.lines().any(|l| l == *line));
    gone.map(|line| format!("- {line}\n"))
        .chain(new.map(|line| format!("+ {line}\n")))
        .collect()
}

fn is_as_listed(package: &str, features: &str) {
    let found = listing(package, features);
    let file = listing_file(package);
    if std::env::var_os("UPDATE_LISTINGS").is_some() {
        fs::write(&file, found).unwrap();
        return;
    }
    let listed = fs::read_to_string(&file).unwrap();
    let difference = difference(&listed, &found);
    // The test ignores the order of the lines in a listing, and how often a line occurs. Both
    // depend on how the methods of a type are divided into `impl` blocks, which no user of the
    // library sees.
    assert!(
        difference.is_empty(),
        "the public interface of {package} changed; if that is intended, run \
         `UPDATE_LISTINGS=1 cargo test -p public-interface`:\n{difference}"
    );
}

#[test]
fn the_public_interface_of_the_core_is_as_listed() {
    is_as_listed("opensearch-directives-core", "");
}

#[test]
fn the_public_interface_of_the_store_is_as_listed() {
    is_as_listed("opensearch-directives", "prometheus");
}

#[test]
fn the_public_interface_of_the_adapter_is_as_listed() {
    is_as_listed("opensearch-directives-osproxy", "");
}
