//! Prints the path of a `protoc` for this machine. The program is part of a package of crates.io,
//! so it needs no installation.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", protoc_bin_vendored::protoc_bin_path()?.display());
    Ok(())
}
