//! The binary `directives`.
//!
//! All code is in the library of this package, so that the fuzz targets can also call the parsers
//! of the command and of its agent.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    directives::main()
}
