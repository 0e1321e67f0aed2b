//! Prints where a `protoc` for this machine is. It comes from a package of crates.io,
//! so nothing is to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", protoc_bin_vendored::protoc_bin_path()?.display());
    Ok(())
}
