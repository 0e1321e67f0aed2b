//! Prints the path of a `protoc` executable for this machine. The executable is part of a crate, so
//! `protoc` need not be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", protoc_bin_vendored::protoc_bin_path()?.display());
    Ok(())
}
