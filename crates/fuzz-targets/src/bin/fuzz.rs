//! Runs one fuzz target under libFuzzer. This program contains all fuzz targets, and runs the one
//! that the variable `FUZZ_TARGET` names. `scripts/fuzz` builds and starts this program.

#![no_main]
#![allow(clippy::expect_used, reason = "scripts/fuzz sets the variable")]

use std::sync::LazyLock;

use fuzz_targets::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET is set");
    let found = TARGETS.iter().find(|(of, _)| *of == name);
    found.expect("FUZZ_TARGET names a target").1
});

fuzz_target!(|input: &[u8]| TARGET(input));
